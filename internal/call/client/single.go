package client

import (
	"context"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// SingleConn is a Channel of one connection that does not come back.
type SingleConn struct{ Conn transport.ClientConn }

// MethodConfig implements Channel: there is none.
func (SingleConn) MethodConfig(context.Context, string, time.Time) (*MethodConfig, error) {
	return nil, nil
}

// Throttle implements Channel: there is none.
func (SingleConn) Throttle() *Throttle { return nil }

// Pick implements Channel. It waits for a free stream, and for nothing else.
func (s SingleConn) Pick(ctx context.Context, info *PickInfo) (transport.ClientConn, func(DoneInfo), error) {
	if info.Full != nil {
		info.Full = nil
		if err := s.awaitSlot(ctx, info); err != nil {
			return nil, nil, err
		}
	}
	if err := s.Conn.Err(); err != nil {
		code := codes.Unavailable
		if err.Origin == transport.OriginUser && err.Token == reason.ClientClosed {
			code = codes.Canceled
		}
		return nil, nil, status.New(code, err.Error()).WithCause(err).Err()
	}
	select {
	case <-s.Conn.Info().Draining:
		return nil, nil, status.Error(codes.Unavailable, "the connection takes no new calls: the server is shutting down")
	default:
	}
	return s.Conn, nil, nil
}

func (s SingleConn) awaitSlot(ctx context.Context, info *PickInfo) error {
	if !info.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, info.Deadline)
		defer cancel()
	}
	if err := s.Conn.AwaitSlot(ctx.Done()); err == transport.ErrAwaitDone {
		return wire.ContextStatus(ctx, "waiting for a free stream on the connection")
	}
	return nil // a connection that is gone shows in what follows
}
