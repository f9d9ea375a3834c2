package client

import (
	"sync"
	"time"

	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
)

// An Env is what all calls of a client share. Its fields are not set once calls are made.
type Env struct {
	Channel   Channel
	Registry  *encoding.Registry
	Authority string
	UserAgent string
	// Observe has the stats handlers; nil: none.
	Observe *observe.Set

	// Counters are of all calls. Safe for concurrent use.
	Counters Counters

	// unary calls to be used again. Here and not in a variable: they hold channels and timers,
	// which testing/synctest ties to the bubble they were made in.
	unaries sync.Pool

	expansion wire.Expansion

	// budget is made by the first call that asks for it, see implicitBudget.
	budgetOnce sync.Once
	budget     *Throttle
}

// implicitBudget bounds the retries nobody has configured, those of idempotent methods, by the
// figures gRFC A6 gives as its example: "maxTokens": 10, "tokenRatio": 0.1. A server that refuses
// everything is sent as good as no repetitions then, instead of four times what is asked of it.
func (env *Env) implicitBudget() *Throttle {
	env.budgetOnce.Do(func() { env.budget = NewThrottle(10, 0.1) })
	return env.budget
}

// A Method is what a client needs to know of a method.
type Method struct {
	FullMethod                   string
	ClientStreams, ServerStreams bool
	// Idempotent methods may be executed more than once without harm.
	Idempotent bool
	// Generic methods have a name that the program did not know when it was built.
	Generic bool
}

// RetryChoice is what a call's options say of repeating it. The zero value: the service config
// decides, and where it says nothing, what the method's idempotency allows.
type RetryChoice struct {
	Never   bool           // transparent retries only
	Policy  *RetryPolicy   // not nil: this one
	Hedging *HedgingPolicy // not nil: this one
}

// Settings are the options of one call, put together from the client's defaults and the call's own.
type Settings struct {
	Subtype          string        // of the codec, "" for proto
	Timeout          time.Duration // 0: none
	WaitForReady     *bool         // nil: as the service config says
	Compression      string        // "": none
	CompressMinBytes int
	MaxReceiveBytes  int // < 0: no limit
	MaxSendBytes     int // < 0: no limit
	Metadata         []string
	Credentials      []credentials.PerRPC
	Authority        string        // "": the client's
	MaxRetryDelay    time.Duration // how long servers may make the call wait before retries, in all; 0: 10 s

	Hooks *wire.Hooks // nil: not wanted
	Retry RetryChoice

	// where the response's metadata goes; nil: not wanted
	Header, Trailer *metadata.MD
	// OnAttempt is told when an attempt was sent and when it ended, by several goroutines at once
	// under a hedging policy; nil: not wanted.
	OnAttempt func(AttemptInfo)
	// OnPeer is told the connection of each attempt and how many there were so far; nil: not
	// wanted. It is not the program's code: it may be called with the runner's lock held, stores
	// what it is told, and calls nothing.
	OnPeer func(info *transport.ConnInfo, attempts int)
}

// AttemptInfo tells of one attempt.
type AttemptInfo struct {
	Conn   *transport.ConnInfo
	Number int // from 1
	Ended  bool
	Err    error // with Ended: the attempt's status error, nil for OK
}
