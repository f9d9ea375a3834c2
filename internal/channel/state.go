package channel

import (
	"context"
	"fmt"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/status"
)

// snapshot is what calls see of the channel. Immutable but for the closing of changed.
type snapshot struct {
	state   connectivity.State
	picker  balancer.Picker
	failure error         // why, in TRANSIENT_FAILURE and SHUTDOWN
	changed chan struct{} // closed when another snapshot takes its place
}

var (
	queuePicker  = balancer.ErrPicker(balancer.ErrQueue)
	closedPicker = balancer.ErrPicker(&balancer.DropError{Code: codes.Canceled, Reason: "the client is closed"})
	errClosed    = status.Error(codes.Canceled, "the client is closed")
)

func idleSnapshot() *snapshot {
	return &snapshot{state: connectivity.Idle, picker: queuePicker, changed: make(chan struct{})}
}

// publish replaces the snapshot. Called by the event loop.
func (c *Channel) publish(s *snapshot) {
	s.changed = make(chan struct{})
	old := c.snap.Swap(s)
	close(old.changed)
	if old.state != s.state {
		c.cfg.Logger.Debug("channel state", "target", c.name, "state", s.state.String(), "was", old.state.String())
	}
}

// State returns the channel's state at this moment.
func (c *Channel) State() connectivity.State { return c.snap.Load().state }

// Connect leaves IDLE without a call. It does not wait.
func (c *Channel) Connect() { c.loop.do(c.exitIdle) }

// WaitForStateChange returns true when the state is not last any more and false when ctx ended
// first.
func (c *Channel) WaitForStateChange(ctx context.Context, last connectivity.State) bool {
	for {
		s := c.snap.Load()
		if s.state != last {
			return true
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return false
		}
	}
}

// WaitReady connects and returns nil when a call could be sent. If ctx ends first, or the channel
// is closed, the error is a status error (DEADLINE_EXCEEDED, CANCELED) that tells the state and
// wraps the last failure.
func (c *Channel) WaitReady(ctx context.Context) error {
	for {
		s := c.snap.Load()
		switch s.state {
		case connectivity.Ready:
			return nil
		case connectivity.Shutdown:
			return errClosed
		case connectivity.Idle:
			c.Connect()
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return c.notReady(ctx, s)
		}
	}
}

func (c *Channel) notReady(ctx context.Context, s *snapshot) error {
	code := status.FromContextError(ctx.Err()).Code()
	msg := fmt.Sprintf("client for %q is not ready: state %v", c.name, s.state)
	if now := c.trying.String(); now != "" {
		msg += ", " + now
	}
	cause := ctx.Err()
	if f := c.lastFailure(s); f != nil {
		msg += ", last failure: " + f.Error()
		cause = joinCause{ctx.Err(), f}
	}
	return status.New(code, msg).WithCause(cause).Err()
}

// joinCause lets errors.Is and errors.As find both the context's error and the failure behind it.
type joinCause struct{ ctx, failure error }

func (j joinCause) Error() string   { return j.ctx.Error() + ": " + j.failure.Error() }
func (j joinCause) Unwrap() []error { return []error{j.ctx, j.failure} }

// lastFailure is the best known answer to "why is nothing ready?".
func (c *Channel) lastFailure(s *snapshot) error {
	if s.failure != nil {
		return s.failure
	}
	if f := c.failures.last.Load(); f != nil {
		return f
	}
	return nil
}
