package client

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// call is what unary calls and streams have in common: what is sent first, until when,
// and how an attempt begins. It is owned by the goroutine that makes the call.
type call struct {
	env    *Env
	method Method
	set    Settings
	ctx    context.Context

	began      time.Time
	deadline   time.Time // earliest of all; zero: none
	deadlineBy string    // which setting gave it
	config     *MethodConfig
	out        wire.Encoder
	maxReceive wire.Limit
	seen       *observe.Call // nil: no handler wants to know

	head   transport.RequestHead
	custom int      // index of the first field of custom metadata
	fixed  int      // fields that are the same in every attempt
	added  []string // metadata of this attempt alone: pairs that stats handlers have added
	inline [14]transport.Field
	pick   PickInfo
	picked [1]string   // lent to pickers that ask for metadata
	timer  *time.Timer // for deadlines that ctx does not know; kept when the call is recycled

	last   *attempt             // the last one, for a unary call or a stream that did not begin; nil: none
	conn   transport.ClientConn // of the current attempt
	peer   *transport.ConnInfo  // of conn
	opened int                  // attempts that were sent
	retry  retrying
	unsent int // attempts in a row that did not reach the network
}

// prepare computes everything that precedes the first attempt.
func (c *call) prepare() error {
	if c.ctx.Err() != nil {
		return wire.ContextStatus(c.ctx, "call not begun")
	}
	if c.ctx.Done() != nil || c.set.Timeout > 0 {
		c.began = time.Now() // otherwise nobody will ask
	}
	if d, ok := c.ctx.Deadline(); ok {
		c.deadline, c.deadlineBy = d, "the context"
	}
	c.limitTime(c.set.Timeout, "WithTimeout")
	if !c.deadline.IsZero() && !c.began.Before(c.deadline) {
		return c.lateStart()
	}
	config, err := c.env.Channel.MethodConfig(c.ctx, c.method.FullMethod, c.deadline)
	if err != nil {
		return c.withDeadline(err)
	}
	c.pick = PickInfo{FullMethod: c.method.FullMethod, Streaming: c.method.ClientStreams || c.method.ServerStreams}
	c.maxReceive = wire.Limit{Bytes: c.set.MaxReceiveBytes, By: "the client's Limits.MaxReceiveMessageSize"}
	maxSend := wire.Limit{Bytes: c.set.MaxSendBytes, By: "the client's Limits.MaxSendMessageSize"}
	if c.config = config; config != nil {
		c.limitTime(config.Timeout, "the service config")
		c.maxReceive = smallerLimit(c.maxReceive, config.MaxResponseMessageBytes, "maxResponseMessageBytes of the client's service config")
		maxSend = smallerLimit(maxSend, config.MaxRequestMessageBytes, "maxRequestMessageBytes of the client's service config")
		if config.WaitForReady != nil {
			c.pick.WaitForReady = *config.WaitForReady
		}
	}
	if c.set.WaitForReady != nil {
		c.pick.WaitForReady = *c.set.WaitForReady
	}
	c.pick.Deadline, c.pick.DeadlineBy = c.deadline, c.deadlineBy
	c.retry.policy = c.retryPolicy()
	codec := c.env.Registry.Codec(c.set.Subtype)
	if codec == nil {
		return status.Errorf(codes.Internal, "no codec %q is known to this client (WithCodec)", c.set.Subtype)
	}
	c.out = wire.Encoder{Codec: codec, Limit: maxSend, MinBytes: c.set.CompressMinBytes, Hooks: c.set.Hooks}
	if c.seen != nil {
		c.out.Meter = c.seen
	}
	if name := c.set.Compression; name != "" && name != "identity" {
		if c.out.Compressor = c.env.Registry.Compressor(name); c.out.Compressor == nil {
			return status.Errorf(codes.Internal, "no compressor %q is known to this client (WithCompression)", name)
		}
	}
	return c.makeHead()
}

// lateStart is the status of a call whose deadline had passed before it began.
func (c *call) lateStart() error {
	text := fmt.Sprintf("the deadline (set by %s) passed %s before the call began", c.deadlineBy, round(c.began.Sub(c.deadline)))
	return status.New(codes.DeadlineExceeded, text).WithCause(context.DeadlineExceeded).WithLocal(&connectivity.Report{DeadlineBy: c.deadlineBy}).Err()
}

// withDeadline says which setting gave the deadline, to an error of who does not know.
func (c *call) withDeadline(err error) error {
	s := status.Convert(err)
	if s.Code() != codes.DeadlineExceeded || c.deadlineBy == "" {
		return err
	}
	if r, ok := status.Local[*connectivity.Report](err); ok {
		r.DeadlineBy = c.deadlineBy
	}
	return s.WithMessage(fmt.Sprintf("deadline of %s (set by %s) passed: %s", round(max(0, c.deadline.Sub(c.began))), c.deadlineBy, s.Message())).Err()
}

// limitTime makes d from the beginning the deadline if it is the earliest. Not positive: no limit.
func (c *call) limitTime(d time.Duration, by string) {
	if d <= 0 {
		return
	}
	if c.began.IsZero() {
		c.began = time.Now()
	}
	if at := c.began.Add(d); c.deadline.IsZero() || at.Before(c.deadline) {
		c.deadline, c.deadlineBy = at, by
	}
}

// smallerLimit combines a limit with one of a service config (0: not set).
func smallerLimit(limit wire.Limit, config int, by string) wire.Limit {
	if config > 0 && (limit.Bytes < 0 || config < limit.Bytes) {
		return wire.Limit{Bytes: config, By: by}
	}
	return limit
}

// makeHead builds what every attempt sends. The order is the one of PROTOCOL-HTTP2.md:
// "Request-Headers → Call-Definition *Custom-Metadata".
func (c *call) makeHead() error {
	c.head = transport.RequestHead{Method: "POST", Authority: c.env.Authority, Path: c.method.FullMethod}
	if c.set.Authority != "" {
		c.head.Authority = c.set.Authority
	}
	f := append(c.inline[:0],
		wire.Field(wire.FieldTE, "trailers"),
		wire.Field(wire.FieldContentType, wire.ContentType(c.set.Subtype)),
		wire.Field(wire.FieldUserAgent, c.env.UserAgent),
	)
	if a := c.env.Registry.AcceptEncoding(); a != "" {
		f = append(f, wire.Field(wire.FieldAcceptEncoding, a))
	}
	if c.out.Compressor != nil {
		f = append(f, wire.Field(wire.FieldEncoding, c.set.Compression))
	}
	c.head.Fields = f
	c.custom = len(c.head.Fields)
	if err := c.addMetadata(); err != nil {
		return status.New(codes.Internal, err.Error()).WithCause(err).Err()
	}
	c.fixed = len(c.head.Fields)
	return nil
}

func (c *call) addMetadata() (err error) {
	for i := 0; i+1 < len(c.set.Metadata); i += 2 {
		if err := c.addPair(c.set.Metadata[i], c.set.Metadata[i+1]); err != nil {
			return err
		}
	}
	metadata.EachOutgoing(c.ctx, func(key, value string) {
		if e := c.addPair(key, value); e != nil && err == nil {
			err = e
		}
	})
	return err
}

func (c *call) addPair(key, value string) error {
	if key == ":authority" || key == "user-agent" {
		return nil // from a server call's metadata that is sent on: see metadata.Validate
	}
	if err := metadata.ValidateKey(key); err != nil {
		return err
	}
	if err := metadata.ValidateValue(key, value); err != nil {
		return err
	}
	c.head.Fields = append(c.head.Fields, wire.Field(key, wire.EncodeValue(key, value)))
	return nil
}

// attemptHead completes the head for one attempt on conn.
func (c *call) attemptHead(conn *transport.ConnInfo) error {
	f := c.head.Fields[:c.fixed]
	for i := 0; i+1 < len(c.added); i += 2 {
		f = append(f, wire.Field(c.added[i], wire.EncodeValue(c.added[i], c.added[i+1])))
	}
	c.head.Scheme = "http"
	if conn.TLS != nil {
		c.head.Scheme = "https"
		if err := c.checkAuthority(conn); err != nil {
			return err
		}
	}
	if !c.deadline.IsZero() {
		var b [wire.MaxTimeoutDigits + 1]byte
		f = append(f, wire.Field(wire.FieldTimeout, string(wire.AppendTimeout(b[:0], time.Until(c.deadline)))))
	}
	if c.retry.seen > 0 {
		f = append(f, wire.Field(wire.FieldAttempts, strconv.Itoa(c.retry.seen)))
	}
	c.head.Fields = f
	if len(c.set.Credentials) > 0 {
		return c.addCredentials(conn)
	}
	return nil
}

// open picks connections until one has opened a stream for a, with body (ownership passes) and
// half-closed if end is set. again makes the body anew for another try.
func (c *call) open(a *attempt, body *mem.Buf, end bool, again func() (*mem.Buf, error)) (done func(DoneInfo), err error) {
	c.added = a.seen.Header()
	for {
		c.pick.Attempt++
		c.pick.Metadata = (*pickMetadata)(c) // here, and not in prepare: attempts of a hedged call are copies
		conn, done, err := c.env.Channel.Pick(c.ctx, &c.pick)
		c.pick.Full, c.pick.Metadata = nil, nil
		if err != nil {
			body.Free()
			return nil, err
		}
		c.conn, c.peer = conn, conn.Info()
		if err := c.attemptHead(c.peer); err != nil {
			body.Free()
			c.gaveUp(done, err)
			return nil, err
		}
		if a.stop != nil && c.ctx.Err() != nil { // an attempt that was not needed any more by the time it had a connection
			body.Free()
			err := wire.ContextStatus(c.ctx, "the call was about to be sent")
			c.gaveUp(done, err)
			return nil, err
		}
		if err = c.send(conn, a, body, end); err == nil {
			return done, nil
		}
		c.gaveUp(done, err)
		if err == transport.ErrStreamLimit {
			c.pick.Full = conn
		} else if err := c.reopen(err); err != nil {
			return nil, err
		}
		if body, err = again(); err != nil {
			return nil, err
		}
	}
}

// send opens the attempt's stream.
func (c *call) send(conn transport.ClientConn, a *attempt, body *mem.Buf, end bool) error {
	stream, err := conn.Open(&c.head, body, end, a)
	if err != nil {
		return err
	}
	c.unsent = 0
	c.opened++
	var now time.Time
	if !c.began.IsZero() {
		now = time.Now()
	}
	a.opened(sending{stream, c.peer, now, c.opened})
	a.seen.Sent(c.peer, c.pick.Waited)
	if c.set.OnPeer != nil {
		c.set.OnPeer(c.peer, c.opened)
	}
	if c.set.OnAttempt != nil {
		c.set.OnAttempt(AttemptInfo{Conn: c.peer, Number: c.opened})
	}
	return nil
}

// observeBegin tells stats handlers of the call.
func (c *call) observeBegin() {
	if !c.env.Observe.Calls() {
		return
	}
	b := stats.CallBegun{
		Method: c.method.FullMethod, Registered: !c.method.Generic,
		ClientStreams: c.method.ClientStreams, ServerStreams: c.method.ServerStreams,
	}
	b.Deadline, _ = c.ctx.Deadline()
	if c.set.Timeout > 0 {
		if at := time.Now().Add(c.set.Timeout); b.Deadline.IsZero() || at.Before(b.Deadline) {
			b.Deadline = at
		}
	}
	c.ctx, c.seen = c.env.Observe.Begin(c.ctx, b)
}

// observeEnd tells stats handlers that the call is over; a is its last attempt, nil: there was
// none.
func (c *call) observeEnd(a *attempt, err error) {
	if c.seen == nil {
		return
	}
	c.attemptSeen(a, err)
	c.seen.End(err, c.reasonFor(a, err))
}

// attemptSeen tells stats handlers that an attempt is over.
func (c *call) attemptSeen(a *attempt, err error) {
	switch {
	case a == nil || a.seen == nil:
	case err == errSlower:
		a.seen.Lost(err)
	default:
		a.seen.End(err, c.reasonFor(a, err))
	}
}

func (c *call) reasonFor(a *attempt, err error) string {
	if err == nil {
		return ""
	}
	return string(reasonOf(status.Convert(err), a, !c.deadline.IsZero()))
}

// attemptEnded tells who asked that an attempt is over.
func (c *call) attemptEnded(a *attempt, err error) {
	c.attemptSeen(a, err)
	if c.set.OnAttempt == nil {
		return
	}
	a.mu.Lock()
	info := AttemptInfo{Conn: a.sending.peer, Number: a.sending.number, Ended: true, Err: err}
	a.mu.Unlock()
	if info.Conn != nil {
		c.set.OnAttempt(info)
	}
}

func (c *call) gaveUp(done func(DoneInfo), err error) {
	if done != nil {
		done(DoneInfo{Err: err})
	}
}

// Attempts that fail before anything was sent are repeated (gRFC A6: "the RPC never leaves the
// client"). The channel takes such a connection out by itself, so the first repeats need no pause.
// The pauses double after that, and the call fails with the last error when all repeats are used:
// in about 2.5 s.
const (
	freeRepeats    = 3
	maxRepeats     = 12
	firstReopening = 5 * time.Millisecond
)

// reopen decides about another try after Open has failed with cause: nil if there is to be one,
// after a pause.
func (c *call) reopen(cause error) error {
	var te *transport.Error
	if errors.As(cause, &te) && te.Scope == transport.ScopeStream {
		return transportStatus(te).WithMessage(peerName(c.peer) + ": " + te.Error()).Err() // no connection would take it
	}
	if c.unsent++; c.unsent <= freeRepeats {
		return nil
	}
	if c.unsent > maxRepeats {
		text := fmt.Sprintf("%s: %v (%d connections in a row could not be used)", peerName(c.peer), cause, c.unsent)
		return status.New(codes.Unavailable, text).WithCause(cause).Err()
	}
	t := time.NewTimer(jitter(firstReopening << (c.unsent - freeRepeats - 1)))
	defer t.Stop()
	var deadline <-chan time.Time
	if !c.deadline.IsZero() {
		d := time.NewTimer(time.Until(c.deadline))
		defer d.Stop()
		deadline = d.C
	}
	select {
	case <-t.C:
		return nil
	case <-c.ctx.Done():
	case <-deadline:
	}
	return c.timeUp("waiting for a usable connection; the last one: " + cause.Error())
}
