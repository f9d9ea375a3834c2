package http2

import (
	"crypto/tls"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// Limits on what a peer may make this side do. Zero values take the defaults of
// withDefaults; a negative duration is none.
type Limits struct {
	Streams         uint32        // concurrent streams a peer may open (256)
	HeaderList      uint32        // decoded header list, soft (16 KiB): the call is refused
	HeaderListHard  uint32        // decoded header list, hard (64 KiB): the connection ends
	HeaderFields    uint32        // fields in a header list (128)
	StreamWindow    int32         // first receive window of a stream (a server 1 MiB, a client 80 KiB)
	MaxStreamWindow int32         // what it may grow to (4 MiB)
	ReceiveMemory   int32         // what windows of a connection are extended by, see flow.Config (16 MiB)
	ServerMemory    int64         // what a server holds at most, see memory.go (a quarter of the memory there is, at least 64 MiB)
	PrefaceTimeout  time.Duration // TLS handshake, preface and first SETTINGS (10 s)
	HeaderTimeout   time.Duration // a header block that has begun (10 s)
	WriteStall      time.Duration // a write that makes no progress (30 s)
	ZeroWindow      time.Duration // a finished response the peer gives no window for (60 s)
	Rest            time.Duration // nothing to read, before the read loop gives its stack back (5 s)
	// Backlog is how many bytes of responses may wait for the peer before no new call of its
	// connection is begun, and streams wait for their own queues to empty (256 KiB).
	Backlog int
	// Abuse holds the budgets for what a peer may cause besides its calls. nil: their defaults.
	Abuse *abuse.Policy
}

// Headers returns what is accepted of a received header section, with the defaults filled in.
func (l Limits) Headers() (size, fields uint32) {
	orDefault(&l.HeaderList, hpack.DefaultLimits.Size)
	orDefault(&l.HeaderFields, hpack.DefaultLimits.Fields)
	return l.HeaderList, l.HeaderFields
}

func (l Limits) withDefaults(policy func() *abuse.Policy) *Limits {
	if l.Abuse == nil {
		l.Abuse = policy()
	}
	orDefault(&l.Streams, 256)
	orDefault(&l.HeaderList, hpack.DefaultLimits.Size)
	orDefault(&l.HeaderListHard, hpack.DefaultLimits.HardSize)
	orDefault(&l.HeaderFields, hpack.DefaultLimits.Fields)
	if l.ServerMemory < 0 {
		l.ServerMemory = math.MaxInt64 / 2
	}
	orDefault(&l.ServerMemory, max(mem.Limit()/4, 64<<20))
	orDefault(&l.PrefaceTimeout, 10*time.Second)
	orDefault(&l.HeaderTimeout, 10*time.Second)
	orDefault(&l.WriteStall, 30*time.Second)
	orDefault(&l.ZeroWindow, 60*time.Second)
	orDefault(&l.Rest, 5*time.Second)
	if orDefault(&l.Backlog, 256<<10); l.Backlog < 0 {
		l.Backlog = math.MaxInt
	}
	for _, d := range []*time.Duration{&l.PrefaceTimeout, &l.HeaderTimeout, &l.WriteStall, &l.ZeroWindow, &l.Rest} {
		if *d < 0 {
			*d = never
		}
	}
	l.HeaderListHard = max(l.HeaderListHard, l.HeaderList)
	return &l
}

// never is far enough away for a time that has no limit, and near enough for arithmetic.
const never = 100 * 365 * 24 * time.Hour

// Default budgets, shared by all connections. gRFC A8 lets servers ping as they like.
var (
	serverPolicy = sync.OnceValue(func() *abuse.Policy { return mustPolicy(abuse.Config{}) })
	clientPolicy = sync.OnceValue(func() *abuse.Policy { return mustPolicy(abuse.Config{PingStrikes: abuse.Unlimited}) })
)

func mustPolicy(cfg abuse.Config) *abuse.Policy {
	p, err := abuse.NewPolicy(cfg)
	if err != nil {
		panic("BUG: default budgets: " + err.Error())
	}
	return p
}

func orDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Keepalive is the schedule of this side's keepalive pings (gRFC A8). Interval 0: none.
type Keepalive struct {
	Interval time.Duration // without a received byte, before a PING is sent
	Timeout  time.Duration // for the answer (default 20 s)
	// WithoutStreams pings also while no stream is open.
	WithoutStreams bool
	// Quiet is the least time between pings of a client while the server sends no HEADERS or DATA,
	// from the third on: what the server permits (default 5 minutes). Negative: no third one.
	Quiet time.Duration
}

// ServerConfig configures server connections. It is read only.
type ServerConfig struct {
	Limits    Limits
	Keepalive Keepalive
	TLS       *tls.Config // nil: plaintext. NextProtos is the caller's to set.
	// MaxAge, if not 0, drains the connection after that time (jittered by 10 % so that clients do
	// not all come back at once); MaxAgeGrace after that it is closed whatever still runs (0: no
	// bound).
	MaxAge, MaxAgeGrace time.Duration
	// MaxIdle, if not 0, drains a connection that had no stream open for that time.
	MaxIdle time.Duration
	// HTTP1 is given connections that do not speak HTTP/2; nc replays what was read. nil: they
	// get a short answer and are closed.
	HTTP1 func(nc net.Conn)
	// Count, if not nil, is told of every connection that ended and of every stream a rule of
	// this side's transport ended. It must not block.
	Count func(*transport.ConnInfo, *transport.Error)

	once   sync.Once // what all connections share: limits with defaults, memory
	limits *Limits
	memory *memory
}

// Resolved returns the limits with their defaults. It is read only.
func (c *ServerConfig) Resolved() *Limits { return c.resolved() }

func (c *ServerConfig) resolved() *Limits {
	c.once.Do(func() {
		c.limits = c.Limits.withDefaults(serverPolicy)
		c.memory = newMemory(c.limits.ServerMemory)
	})
	return c.limits
}

// HeldBytes counts the bytes that all connections together hold, against Limits.ServerMemory. Other
// transports of the same server add theirs.
func (c *ServerConfig) HeldBytes() *atomic.Int64 {
	c.resolved()
	return &c.memory.held
}

// ClientConfig configures client connections. It is read only.
type ClientConfig struct {
	Limits    Limits
	Keepalive Keepalive
	TLS       *tls.ConnectionState // of the finished handshake; nil: plaintext
	// Count is as in ServerConfig, for a connection the program knows.
	Count func(*transport.Error)

	once   sync.Once // limits with defaults
	limits *Limits
}

func (c *ClientConfig) resolved() *Limits {
	c.once.Do(func() { c.limits = c.Limits.withDefaults(clientPolicy) })
	return c.limits
}

func (l Limits) h2(role h2.Role) h2.Config {
	return h2.Config{
		Role:                 role,
		MaxConcurrentStreams: l.Streams,
		StreamWindow:         l.StreamWindow,
		MaxStreamWindow:      l.MaxStreamWindow,
		ReceiveMemory:        l.ReceiveMemory,
		MaxHeaderListSize:    l.HeaderList,
	}
}

func (l Limits) reader() h2.ReaderConfig {
	return h2.ReaderConfig{
		Limits: hpack.Limits{
			Size: l.HeaderList, HardSize: l.HeaderListHard,
			Fields:     l.HeaderFields,
			HardFields: math.MaxUint32, // each counts 32 bytes, so that HardSize bounds them
		},
	}
}
