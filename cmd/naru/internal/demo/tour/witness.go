package tour

import (
	"context"

	"github.com/naru-rpc/naru"
)

// Witness sees calls end on the server. Safe for concurrent use.
type Witness struct {
	ended chan ending // a few: only some steps ask, and nobody waits for them
}

// ending is how a handler ended.
type ending struct {
	method string
	cause  error // what its context said; nil: nothing
}

// NewWitness returns a witness that has seen nothing.
func NewWitness() *Witness { return &Witness{ended: make(chan ending, 64)} }

// Intercept is a naru.Interceptor for the server.
func (w *Witness) Intercept(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	err := next(ctx)
	select {
	case w.ended <- ending{call.Method().Name(), ctx.Err()}:
	default: // nobody has asked for so long that the oldest news are enough
	}
	return err
}

// forget drops what was seen so far.
func (w *Witness) forget() {
	for {
		select {
		case <-w.ended:
		default:
			return
		}
	}
}

// wait returns what the context of the next handler of method to end said.
func (w *Witness) wait(ctx context.Context, method string) (cause, err error) {
	for {
		select {
		case e := <-w.ended:
			if e.method == method {
				return e.cause, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
