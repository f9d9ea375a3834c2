package naru

import (
	"context"
	"fmt"
	"strings"
)

// An Interceptor wraps one call of any kind, on either side. It may
//
//   - inspect and change headers before next,
//   - refuse the call by returning an error instead of calling next,
//   - inspect or replace the request and the response (Call.Request, SetRequest, Response,
//     SetResponse), and the messages of streams (OnReceive, OnSend),
//   - supply the response itself instead of calling next, or after next has failed (on a client,
//     for streams, only if it could not begin one): SetResponse for calls with one response,
//     HandleStream for streams. Caches, fallbacks, mocks and deduplication are built on these two,
//   - replace the final status: next's error is the status so far, what the interceptor returns
//     takes its place.
//
// On a server, next decodes the request and runs the handler, with the context it is given; it can
// be called once. Nothing of a message is decoded before the last interceptor calls it, unless one
// calls Request.
//
// On a client, next makes the call and returns when it has ended, for streams as well: an
// interceptor of a stream runs beside the program that uses the stream, on a goroutine of its own.
// next may be called again, one call after another, to repeat a unary call, or a stream that could
// not be begun.
//
// Interceptors are called in the order of their options, the first one outermost. They must be safe
// for concurrent use.
type Interceptor func(ctx context.Context, call *Call, next func(context.Context) error) error

// scopedInterceptor is an interceptor and the methods it is for.
type scopedInterceptor struct {
	Interceptor
	scope string // "": all; "package.Service"; "/package.Service/method"
}

func (s *scopedInterceptor) covers(m *MethodInfo) bool {
	switch {
	case s.scope == "":
		return true
	case s.scope[0] == '/':
		return s.scope == m.FullMethod
	}
	return s.scope == m.Service()
}

// validScope reports whether scope is "package.Service" or "/package.Service/method".
func validScope(scope string) bool {
	if rest, ok := strings.CutPrefix(scope, "/"); ok {
		service, method, ok := strings.Cut(rest, "/")
		return ok && service != "" && method != ""
	}
	return scope != "" && !strings.Contains(scope, "/")
}

// WithInterceptors adds interceptors for all calls. Several such options add up.
func WithInterceptors(interceptors ...Interceptor) Option {
	return option{func(c *sharedConfig) { c.addInterceptors("WithInterceptors", "", interceptors) }}
}

// WithInterceptorsFor adds interceptors for the calls of one service ("package.Service") or one
// method ("/package.Service/method"). They take their place among the others by the order of the
// options.
func WithInterceptorsFor(scope string, interceptors ...Interceptor) Option {
	return option{func(c *sharedConfig) {
		if !validScope(scope) {
			c.bad("WithInterceptorsFor(%q): want \"package.Service\" or \"/package.Service/method\"", scope)
			return
		}
		c.addInterceptors("WithInterceptorsFor", scope, interceptors)
	}}
}

func (c *sharedConfig) addInterceptors(option, scope string, interceptors []Interceptor) {
	for i, in := range interceptors {
		if in == nil {
			c.bad("%s: interceptor %d is nil", option, i)
			continue
		}
		c.interceptors = append(c.interceptors, scopedInterceptor{in, scope})
	}
}

// chainFor returns the interceptors of a method, outermost first.
func chainFor(all []scopedInterceptor, m *MethodInfo) []Interceptor {
	var chain []Interceptor
	for i := range all {
		if all[i].covers(m) {
			chain = append(chain, all[i].Interceptor)
		}
	}
	return chain
}

// runChain calls the interceptors around last.
func runChain(ctx context.Context, chain []Interceptor, c *Call, last func(context.Context) error) error {
	if len(chain) == 0 {
		return last(ctx)
	}
	return chain[0](ctx, c, func(ctx context.Context) error {
		return runChain(ctx, chain[1:], c, last)
	})
}

// describeChain lists interceptors by the names of their functions.
func describeChain(b *strings.Builder, interceptors []scopedInterceptor) {
	for i := range interceptors {
		scope := interceptors[i].scope
		if scope == "" {
			scope = "all calls"
		}
		fmt.Fprintf(b, "  interceptor %d: %s (%s)\n", i+1, functionName(interceptors[i].Interceptor), scope)
	}
}
