package call

import (
	"io"
	"math"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// States of ServerCall.receiver. The reader half of the inbox belongs to the goroutine inside
// RecvMsg; finish leaves it to that one to clean up.
const (
	receiverIdle int32 = iota
	receiverBusy
	receiverClosed
)

// creditBatch is how many bytes are given back to the transport at once while more messages lie
// in the same buffer: an eighth of the smallest window, so that a sender never waits for them.
const creditBatch = 8 << 10

// RecvMsg receives the next message into m. io.EOF: the client sends no more. A status error: the
// call is over or the request wrong. One goroutine at a time; one may send meanwhile.
func (c *ServerCall) RecvMsg(m any) error {
	if !c.receiver.CompareAndSwap(receiverIdle, receiverBusy) {
		return c.notReceiving()
	}
	err := c.recv(m)
	if !c.receiver.CompareAndSwap(receiverBusy, receiverIdle) {
		c.box.refill(nil) // finished meanwhile
	}
	return err
}

func (c *ServerCall) notReceiving() error {
	if c.receiver.Load() == receiverClosed {
		return status.Error(codes.Canceled, "receive: the handler has returned")
	}
	return status.Error(codes.Internal, "receive: another goroutine is receiving on this stream")
}

func (c *ServerCall) recv(m any) error {
	for {
		if f, ok := c.box.next(); ok {
			err := c.in.unmarshal(f, m)
			c.credit(prefixLen + len(f.body))
			if err != nil {
				c.abandon(err)
			}
			return err
		}
		if err := c.await(); err != nil {
			return err
		}
	}
}

// credit counts n bytes as used and frees the buffer they were the last of.
func (c *ServerCall) credit(n int) {
	c.box.used += n
	last := c.box.last()
	if last || c.box.used >= creditBatch {
		n, c.box.used = c.box.used, 0
		if c.claim(int64(n)) {
			c.stream.Consumed(n)
		}
	}
	if last {
		c.box.refill(nil)
	}
}

// creditedAll in ServerCall.credited: release has given everything back.
const creditedAll = math.MinInt64

// claim counts n bytes as given back. False: they have been, as the call ended while a message was decoded.
func (c *ServerCall) claim(n int64) bool {
	for {
		before := c.credited.Load()
		if before == creditedAll {
			return false
		}
		if c.credited.CompareAndSwap(before, before+n) {
			return true
		}
	}
}

// abandon stops receiving after a message that could not be read: what follows is not trusted.
func (c *ServerCall) abandon(err error) {
	s := status.Convert(err)
	if c.in.fault != "" {
		c.runner.Problem(c.in.fault)
	}
	c.mu.Lock()
	if c.problem == nil {
		c.problem = &problem{s.Code(), s.Message()} // an interceptor's, perhaps
	}
	c.mu.Unlock()
}

// await fills the reader's buffer, waiting for it if need be.
func (c *ServerCall) await() error {
	c.mu.Lock()
	for {
		if c.readyLocked() {
			c.box.refill(c.box.take())
			c.mu.Unlock()
			return nil
		}
		if err := c.stateLocked(); err != nil {
			c.mu.Unlock()
			return err
		}
		if err := c.waitLocked(); err != nil {
			c.mu.Unlock()
			return err
		}
	}
}

// readyLocked: a request of one message is only looked at when it is known to be all.
func (c *ServerCall) readyLocked() bool {
	if !c.box.ready() {
		return false
	}
	return c.method.ClientStreams || c.ended && c.problem == nil
}

// stateLocked says why there will be no message, nil if there may be one.
func (c *ServerCall) stateLocked() error {
	switch {
	case c.closed != nil:
		return serverStatus(c.closed).Err()
	case c.problem != nil:
		return status.Error(c.problem.code, c.problem.text)
	case c.over:
		return status.Error(codes.Canceled, "receive: the handler has returned")
	case c.ended:
		if !c.method.ClientStreams {
			c.checkSingleLocked()
			if c.problem != nil {
				return status.Error(c.problem.code, c.problem.text)
			}
		}
		return io.EOF
	}
	return nil
}

// waitLocked waits for news, or for the deadline. It unlocks meanwhile.
func (c *ServerCall) waitLocked() error {
	if c.wake == nil {
		// Capacity 1: one token per waiting, sent under mu, must not block the read loop.
		c.wake = make(chan struct{}, 1)
	}
	c.waiting = true
	c.mu.Unlock()
	defer c.mu.Lock()
	if c.deadline.IsZero() {
		<-c.wake
		return nil
	}
	select {
	case <-c.wake:
		return nil
	case <-c.Done():
	}
	if c.Err() != nil && !c.gone() {
		return contextStatus(c, "receive")
	}
	return nil
}
