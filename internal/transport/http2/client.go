package http2

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// ClientConn is the client's side of a connection: a transport.ClientConn.
type ClientConn struct {
	conn
}

var _ transport.ClientConn = (*ClientConn)(nil)

// NewClientConn speaks HTTP/2 over nc, which is past its TLS handshake if it has one. It
// returns when the server's SETTINGS have come, so that a connection in use is known to work.
// It owns nc: on an error, a *transport.Error, it is closed. ctx bounds the wait only.
func NewClientConn(ctx context.Context, nc net.Conn, cfg *ClientConfig) (*ClientConn, error) {
	c := &ClientConn{}
	c.count = cfg.Count
	c.init(nc, h2.Client, cfg.resolved(), cfg.Keepalive)
	c.info.TLS = cfg.TLS
	if tc, ok := nc.(*tls.Conn); ok {
		if s, ok := tc.NetConn().(*spillConn); ok {
			s.started.Store(true)
			c.spill = s
		}
	}
	c.ready = make(chan struct{})
	c.nc.SetReadDeadline(time.Now().Add(c.limits.PrefaceTimeout))
	c.greet()
	go c.readLoop()
	stop := context.AfterFunc(ctx, func() {
		c.fail(&transport.Error{
			Scope: transport.ScopeConn, Origin: transport.OriginUser, Code: uint32(frame.NoError), Token: reason.ConnectTimeout,
			Reason: "waiting for the server's SETTINGS ended", Cause: context.Cause(ctx), Unprocessed: true,
		})
	})
	<-c.ready
	if !stop() || !c.usable() {
		c.Close(nil)
		<-c.done
		err := c.Err()
		err.Unprocessed = true
		return nil, err
	}
	c.startKeepalive()
	return c, nil
}

func (c *ClientConn) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && c.h.SettingsSeen()
}

// Open implements transport.ClientConn.
func (c *ClientConn) Open(head *transport.RequestHead, body *mem.Buf, end bool, sink transport.ClientSink) (transport.ClientStream, error) {
	c.lock()
	h, err := c.openLocked(head)
	if err != nil {
		c.mu.Unlock()
		body.Free()
		return nil, err
	}
	st := h.User.(*stream)
	st.sink, st.csink = sink, sink
	st.headAt = c.out.taken + uint64(len(c.h.Out))
	c.h.SendRequestHead(h, head.Method, head.Scheme, head.Authority, head.Path, head.Fields, end && body == nil)
	if body != nil {
		c.h.Send(h, body, end, nil)
	}
	if c.h.IDsLow() {
		c.drainLocked(final) // the channel opens a successor
	}
	mode := flushLater
	if end {
		mode = flushYield
	}
	c.flushAndUnlock(mode)
	return st.client, nil
}

// openLocked takes a stream, or says why there is none.
func (c *ClientConn) openLocked(head *transport.RequestHead) (*h2.Stream, error) {
	if c.err != nil {
		return nil, unprocessed(c.err)
	}
	if c.drain.phase != accepting {
		return nil, unprocessed(c.drainReasonLocked())
	}
	size := len(head.Method) + len(head.Scheme) + len(head.Authority) + len(head.Path) + 4*32 + len(":method:scheme:authority:path")
	if size, limit, ok := c.h.FitsPeer(size, head.Fields); !ok {
		return nil, transport.HeadTooLarge(size, limit)
	}
	h, err := c.h.OpenStream()
	switch err {
	case nil:
		return h, nil
	case h2.ErrStreamLimit:
		return nil, transport.ErrStreamLimit
	default:
		return nil, unprocessed(c.drainReasonLocked())
	}
}

// unprocessed is err for a call that was not sent.
func unprocessed(err *transport.Error) *transport.Error {
	e := *err
	e.Unprocessed = true
	return &e
}

// Load implements transport.ClientConn.
func (c *ClientConn) Load() (open, limit uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint32(c.h.Open()), c.h.PeerMaxStreams()
}
