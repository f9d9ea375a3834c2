package http2

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// readLoop owns the connection until it ends, or is idle and leaves it to another readLoop.
// Teardown is not deferred: after a panic, waiting for its locks would hide the reason.
func (c *conn) readLoop() {
	for {
		if err := c.in.fill(c.nc, c.raw); err != nil {
			if c.carryOut(err) {
				continue
			}
			if c.idleDue(err) {
				if c.handOver() {
					return
				}
				continue
			}
			c.fail(c.readEnd(err))
			break
		}
		c.pings.heard()
		if err := c.batch(); err != nil {
			c.fail(c.otherProtocol(err))
			break
		}
		c.nextDeadline(c.in.compact() > 0 || c.rd.MidBlock())
		c.calm()
	}
	c.teardown()
}

// batch processes every whole event of the buffer, then flushes what that caused.
func (c *conn) batch() *transport.Error {
	c.now = c.clock()
	c.rd.Now = c.now
	c.tmp = scratchPool.Get().(*scratch)
	c.rd.Scratch = &c.tmp.Scratch
	c.mu.Lock()
	c.inBatch = true
	c.h.Now = c.now
	c.mu.Unlock()
	var fault *transport.Error
	for fault == nil {
		ev, n, err := c.rd.Next(c.in.unread())
		if err != nil {
			fault = c.asFault(err)
			break
		}
		if n == 0 {
			break
		}
		c.in.pos += n
		fault = c.event(ev)
		c.deadline.progress = c.deadline.progress || !c.rd.MidBlock()
	}
	c.giveBack()
	c.lock()
	c.inBatch = false
	c.updateLocked()
	c.measureLocked()
	for ; c.stall.resets > 0 && fault == nil; c.stall.resets-- {
		if f := c.budget.ResetCaused(c.now); f != nil && f.Drain && c.role == h2.Server {
			c.drainFloodLocked(overBudget(f))
		} else {
			fault = overBudget(f)
		}
	}
	if fault == nil && c.err != nil {
		fault = c.err
	}
	c.flushAndUnlock(flushNow)
	c.shed()
	return fault
}

// calm pauses reading from a peer that made a flood of calls. What the peer sends meanwhile waits
// on its side.
func (c *conn) calm() {
	if d := c.budget.Pause(c.now); d > 0 {
		c.counted(errSlowed)
		time.Sleep(d)
	}
}

// errSlowed counts the pauses.
var errSlowed = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Token: reason.PeerSlowed,
	Reason: "peer gives calls up, or has them refused, faster than it may (WithLimits)",
}

// scratch is what a batch needs and an idle connection does not.
type scratch struct {
	h2.Scratch
	reqHead  transport.RequestHead
	respHead transport.ResponseHead
	refused  int // weight of the refusal of the request in hand, 0: it is not refused
}

var scratchPool = sync.Pool{New: func() any {
	return &scratch{Scratch: h2.Scratch{Fields: make([]hpack.Field, 0, 16)}}
}}

// maxPooledFields bounds the slices the pool keeps: a section near the limit is rare.
const maxPooledFields = 64

// giveBack returns the batch's scratch to the pool, emptied: its strings belong to calls.
func (c *conn) giveBack() {
	t := c.tmp
	c.tmp, c.rd.Scratch = nil, nil
	if cap(t.Fields) > maxPooledFields {
		return
	}
	t.Clear()
	t.reqHead, t.respHead = transport.RequestHead{}, transport.ResponseHead{}
	scratchPool.Put(t)
}

func (c *conn) asFault(err error) *transport.Error {
	if e, ok := errors.AsType[*h2.Error](err); ok {
		return protocolError(e)
	}
	return &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginLocal, Code: uint32(frame.InternalError), Token: reason.Internal, Cause: err}
}

// otherProtocol replaces the complaint about the first bytes of a server by what they are, if that
// is known: a web server answers the preface in HTTP/1 (RFC 9113 §3.4 makes it a request no HTTP/1
// server understands), one that wants TLS with an alert.
func (c *conn) otherProtocol(err *transport.Error) *transport.Error {
	if c.role != h2.Client || c.deadline.kind != deadlinePreface || c.in.buf == nil {
		return err
	}
	b := c.in.unread()
	e := *err
	switch {
	case bytes.HasPrefix(b, []byte("HTTP/1.")):
		line, _, _ := bytes.Cut(b[:min(len(b), maxStatusLine)], []byte("\r\n"))
		e.Token, e.Reason = reason.HTTP1, "it answered the preface with "+strconv.Quote(string(line))
	case len(b) >= 2 && b[0] == tlsAlert && b[1] == tlsMajor:
		e.Token, e.Reason = reason.TLSAlert, "it answered the preface with a TLS alert"
	default:
		return err
	}
	return &e
}

const (
	maxStatusLine = 100  // bytes quoted
	tlsAlert      = 0x15 // RFC 8446 §5.1: content type alert, and the legacy version's first byte
	tlsMajor      = 3
)

// readEnd is why nothing can be read any more. A server that says GOAWAY and closes has given its
// reason. A write that failed before is a better reason than the end of what was read on.
func (c *conn) readEnd(err error) *transport.Error {
	e := readError(err)
	if c.role == h2.Client {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.wake.writeErr != nil {
			e = c.wake.writeErr
		}
		if code, debug, ok := c.h.PeerGoAway(); ok && e.Origin == transport.OriginNetwork {
			g := goAwayError(code, debug)
			g.Cause = e.Cause
			return g
		}
	}
	return c.otherProtocol(e)
}

func readError(err error) *transport.Error {
	e := &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Code: uint32(frame.InternalError), Token: reason.Read, Cause: err}
	switch {
	case errors.Is(err, io.EOF):
		e.Token, e.Reason, e.Cause = reason.EOF, "peer closed the connection", nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		// fail's wake-up also ends here; its reason stands already.
		e.Origin, e.Token = transport.OriginLocal, reason.ReadTimeout
		e.Reason = "peer began a frame or its preface and did not complete it in time (Limits.HeaderTimeout and PrefaceTimeout, WithLimits)"
		e.Cause = nil
	default:
		e.Reason = "reading from the peer failed"
	}
	return e
}
