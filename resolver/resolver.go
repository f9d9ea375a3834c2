package resolver

import (
	"context"
	"log/slog"

	"github.com/naru-rpc/naru/serviceconfig"
)

// Builder makes resolvers for the targets of one scheme. Safe for concurrent use.
type Builder interface {
	// Scheme is the URI scheme, lower case: "dns".
	Scheme() string
	// Build checks the target and returns a resolver for it. It does not block and does no I/O;
	// its errors are mistakes in the target, reported when the client is made.
	Build(target Target, opts Options) (Resolver, error)
}

// Resolver follows one target.
type Resolver interface {
	// Run reports what it finds to w until ctx ends. It may return earlier if nothing can change
	// any more. It is called again, on the same value, after the channel was idle; never twice at
	// the same time.
	Run(ctx context.Context, w Watcher)
}

// Watcher receives what a resolver finds. Its methods are called on Run's goroutine.
type Watcher interface {
	// Update brings the complete new state. An error says that the channel cannot use it (no
	// endpoint where the policy needs one, an invalid service config); a resolver that polls
	// should ask again after a backoff.
	Update(State) error
	// Fail says that the state could not be found out. The channel keeps what it had; if it had
	// nothing, calls fail with err.
	Fail(err error)
	// Refresh delivers a value when a connection failed and fresh names would help. Capacity 1;
	// never closed. Resolvers that are told about changes may ignore it.
	Refresh() <-chan struct{}
	// Wanted tells whether new endpoints would change anything at the moment. It is false while a
	// policy that keeps to one connection has it: looking names up on a timer then costs the name
	// server and gains nothing.
	Wanted() bool
}

// Options are what a channel tells the builder.
type Options struct {
	// ParseServiceConfig parses the JSON form of a service config with the policies the client
	// knows. nil: service configs are not wanted.
	ParseServiceConfig func(json string) (*serviceconfig.Config, error)
	// Logger receives what is worth a line at debug level. nil: nothing is logged.
	Logger *slog.Logger
}

// An AuthorityBuilder is a Builder that says which :authority calls carry, where that is not the
// target's endpoint.
type AuthorityBuilder interface {
	Builder
	// Authority returns the default :authority of calls to the target.
	Authority(Target) string
}
