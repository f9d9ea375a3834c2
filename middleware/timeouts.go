package middleware

import (
	"context"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// A Timeout bounds the time of calls.
type Timeout struct {
	// Max is the longest a call may take: an earlier deadline of the call holds. 0 or negative: no
	// bound.
	Max time.Duration
	// Min is the least time a call needs to be worth beginning: one whose deadline is nearer fails
	// at once with DEADLINE_EXCEEDED. 0 or negative: none.
	Min time.Duration
}

// TimeoutsConfig sets bounds by method.
type TimeoutsConfig struct {
	// Default is for unary calls of methods that are in neither map.
	Default Timeout
	// DefaultStream is for the three streaming kinds. Zero: streams are not bounded.
	DefaultStream Timeout
	// Services, by full name ("package.Service"), takes the place of the defaults for all kinds.
	Services map[string]Timeout
	// Methods, by path ("/package.Service/method"), takes the place of all others.
	Methods map[string]Timeout
}

// Timeouts returns an interceptor that bounds the time of calls, on either side. On a client Max
// travels to the server, as any deadline. On a server the handler's context ends after Max; a
// handler that then returns its context's error ends the call with DEADLINE_EXCEEDED and a text
// that names the bound.
func Timeouts(c TimeoutsConfig) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		t := c.of(call)
		deadline, has := ctx.Deadline()
		if t.Min > 0 && has {
			if left := time.Until(deadline); left < t.Min {
				return status.Errorf(codes.DeadlineExceeded, "%v are left for the call, which needs %v (middleware.Timeouts)",
					max(left, 0).Round(time.Millisecond), t.Min)
			}
		}
		if t.Max <= 0 || has && time.Until(deadline) <= t.Max {
			return next(ctx)
		}
		bounded, cancel := context.WithTimeout(ctx, t.Max)
		defer cancel()
		err := next(bounded)
		if err == nil || bounded.Err() == nil || ctx.Err() != nil {
			return err
		}
		s := status.Convert(err)
		if _, chosen := status.FromError(err); chosen && s.Code() != codes.DeadlineExceeded && s.Code() != codes.Canceled {
			return err
		}
		return status.Newf(codes.DeadlineExceeded, "the call took longer than %v (middleware.Timeouts)", t.Max).WithCause(err).Err()
	}
}

func (c *TimeoutsConfig) of(call *naru.Call) Timeout {
	m := call.Method()
	if t, ok := c.Methods[m.FullMethod]; ok {
		return t
	}
	if len(c.Services) > 0 {
		if t, ok := c.Services[m.Service()]; ok {
			return t
		}
	}
	if m.Kind == naru.KindUnary {
		return c.Default
	}
	return c.DefaultStream
}
