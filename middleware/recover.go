package middleware

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// A Panic is what was recovered from.
type Panic struct {
	// Value is the argument of panic. It may hold anything, so it is not for peers.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

// Recover returns an interceptor that makes errors of panics in what it surrounds. A server
// recovers without it as well; with it the interceptors that surround this one, such as an access
// log, see an error, and hook decides on it. On a client it covers the interceptors that follow it.
//
// hook is called on the goroutine that panicked, and its error is the call's; nil, or a hook that
// panics itself: INTERNAL. A hook that returns nil makes the call fail with INTERNAL too: a call
// whose handler has panicked has no response. runtime.Goexit and http.ErrAbortHandler are not
// special.
func Recover(hook func(ctx context.Context, call *naru.Call, p Panic) error) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = panicError(ctx, call, hook, Panic{r, debug.Stack()})
			}
		}()
		return next(ctx)
	}
}

func panicError(ctx context.Context, call *naru.Call, hook func(context.Context, *naru.Call, Panic) error, p Panic) (err error) {
	internal := status.New(codes.Internal, "the handler panicked").WithCause(fmt.Errorf("panic: %v", p.Value)).Err()
	if hook == nil {
		return internal
	}
	defer func() {
		if recover() != nil || err == nil {
			err = internal
		}
	}()
	return hook(ctx, call, p)
}
