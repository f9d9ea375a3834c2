package naru

import (
	"math"
	"strings"
	"time"

	"github.com/naru-rpc/naru/internal/h2/abuse"
)

// A Rate allows Burst events at once and PerSecond more each second after. The zero Rate is the
// default of its limit.
type Rate struct {
	Burst     int // negative: no limit
	PerSecond int // 0: the burst is all there ever is
}

// Limits bound what the peer of a connection can make this side do. Each field at zero is the
// default, and negative is no limit. Whoever exceeds one loses the connection, with GOAWAY naming
// the limit, unless its text says otherwise; [ServerStats] counts it under the name in brackets.
// Messages, header lists and streams have options of their own.
type Limits struct {
	// ResetsReceived: calls a client gives up before anything was done for them (1000, 33/s) [reset_flood]: no handler had
	// begun, less than 16 KiB of the request had come, and less than 5 ms had passed. Calls that ended
	// in good order earn as many. Deadlines, cancellation and hedging do not come near it. A client beyond it is slowed down to
	// this rate [peer_slowed]; one that sends on as fast is told to open no more calls (GOAWAY) and keeps those it has, until it is
	// twice as far beyond it.
	ResetsReceived Rate
	// ResetsCaused: streams that have to be reset for faults of the peer (1000, 33/s)
	// [reset_caused_flood]. What is beyond it is treated likewise.
	ResetsCaused Rate
	// OddFrames: legal frames that do nothing: of unknown type (once more for each KiB), empty or tiny DATA, PRIORITY,
	// WINDOW_UPDATE nothing was sent for (10,000, 330/s) [unknown_frame_flood, tiny_data_flood,
	// priority_flood, window_update_flood, closed_stream_flood, ack_flood, interim_flood, goaway_flood, empty_continuation_flood].
	OddFrames Rate
	// Refusals: calls a server refuses unseen, beyond as many as it serves: unknown methods, other content types
	// without an HTTP handler, header lists over the limit, which count ten times (5000, 500/s) [refused_flood]. What is beyond it is treated as
	// for ResetsReceived. Clients do not use it.
	Refusals Rate
	// Settings: SETTINGS frames (16, 4/s) [settings_flood].
	Settings Rate
	// SettingsEntries: entries of one SETTINGS frame (32) [settings_entries].
	SettingsEntries int
	// Pings: PING frames that answer nothing (10, 10/s) [ping_flood].
	Pings Rate
	// PingInterval: the least time between PINGs on a server (5 minutes; 2 hours without a stream), gRFC A8.
	// Clients do not check it.
	PingInterval time.Duration
	// PingStrikes: how often a client may fall short of PingInterval (2) [ping_strikes].
	PingStrikes int
	// PingWithoutStreams: PingInterval is also for connections without a stream.
	PingWithoutStreams bool
	// ControlQueued: answers waiting to be written to a peer that does not read (1000) [control_queue].
	ControlQueued int
	// Continuations: CONTINUATION frames of a header block (8) [small_continuation_flood].
	Continuations int
	// LargeContinuations: those of a block that fills them (16) [continuation_flood].
	LargeContinuations int
	// BlockBytes: bytes of a header block (64 KiB, or the hard limit of header lists if that is
	// larger) [block_bytes].
	BlockBytes int
	// Handlers: handlers that run at a time on a server, those of calls that were given up included. Further calls
	// wait, until they are given up; connections take turns. The default is no limit, since strangers
	// could make everybody wait by using it up: a connection runs no more than WithMaxConcurrentStreams in any case. For servers whose
	// handlers take much memory, or do not end with their contexts.
	Handlers int
	// HeaderFields: fields of a header list (128). The call ends with RESOURCE_EXHAUSTED
	// [header_list]. Of four times as many bytes as a header list may have, the connection ends [hpack_list_size].
	HeaderFields int
	// StreamWindow: bytes of a stream that its peer may send before this side has said anything, 65535 to 2^30
	// (1 MiB on a server, 80 KiB on a client). Larger messages have the window extended when they begin, one round trip. While the
	// first windows of a connection's streams make a server hold more than half of ReceiveMemory, or all of them half of ServerMemory,
	// it is 80 KiB for the connection's streams, open ones too; see docs/memory.md. A server behind HAProxy needs one
	// that its largest requests fit in (see docs/reliability.md). There is no way to say none.
	StreamWindow int
	// ReceiveMemory: bytes that the windows of a connection are opened by beyond what every stream has, 80 KiB or
	// StreamWindow if it is less, at most 2^30 (16 MiB): as much for streams that fill their windows, and twice as much for messages that are
	// larger than a window and have not been taken by the program; once while the server holds half of
	// ServerMemory or more. Larger messages wait for those before them; when those come at less than 64 KiB/s
	// and fill it, the slowest end with RESOURCE_EXHAUSTED [connection_memory]. There is no way to say none. Clients
	// keep to it for the windows of streams, not for messages.
	ReceiveMemory int
	// ServerMemory: bytes that all connections of a server together hold, of messages that the program has not taken and
	// of responses that clients have not; at least 65536, no limit if negative. The default is a quarter of the
	// memory the process may use (GOMEMLIMIT, the control group's limit or the machine's memory), at least 64 MiB.
	// At the limit the calls whose bytes move most slowly end with RESOURCE_EXHAUSTED, until a tenth is free
	// [server_memory]. Clients do not use it.
	ServerMemory int
	// Backlog: bytes of responses that wait for the client on a connection (256 KiB). Beyond it, when four calls
	// or more have finished and wait, further calls of the connection are begun only as it takes them, and
	// SendMsg of streams waits for the client.
	Backlog int
	// PrefaceTimeout: TLS handshake, preface and first SETTINGS (10 s) [tls_handshake, preface,
	// read_timeout].
	PrefaceTimeout time.Duration
	// HeaderTimeout: a frame or header block that has begun (10 s) [read_timeout].
	HeaderTimeout time.Duration
	// WriteStall: a peer that does not read (30 s) [write_stall].
	WriteStall time.Duration
	// ZeroWindow: a complete response the peer gives no window for (60 s): the stream is reset, which
	// ResetsCaused counts [zero_window]. At the call's deadline it is reset in any case [response_deadline].
	ZeroWindow time.Duration
}

// WithLimits changes limits on what the peer of a connection can make this side do.
func WithLimits(l Limits) Option {
	return option{func(c *sharedConfig) {
		c.budgets = abuse.Config{
			ResetsReceived: abuse.Rate(l.ResetsReceived), ResetsCaused: abuse.Rate(l.ResetsCaused),
			OddFrames: abuse.Rate(l.OddFrames), Refusals: abuse.Rate(l.Refusals), Settings: abuse.Rate(l.Settings), Pings: abuse.Rate(l.Pings),
			SettingsEntries: l.SettingsEntries, PingInterval: l.PingInterval, PingStrikes: l.PingStrikes,
			PingWithoutStreams: l.PingWithoutStreams, ControlQueued: l.ControlQueued,
			Continuations: l.Continuations, LargeContinuations: l.LargeContinuations, BlockBytes: l.BlockBytes,
		}
		if l.ReceiveMemory != 0 && (l.ReceiveMemory < 64<<10 || l.ReceiveMemory > 1<<30) {
			c.bad("WithLimits: ReceiveMemory %d: want 65536 to 1073741824, or 0 for the default", l.ReceiveMemory)
			l.ReceiveMemory = 0
		}
		if l.StreamWindow != 0 && (l.StreamWindow < 65535 || l.StreamWindow > 1<<30) {
			// RFC 9113 §6.9.2: a peer may use 65535 before it knows of less.
			c.bad("WithLimits: StreamWindow %d: want 65535 to 1073741824, or 0 for the default", l.StreamWindow)
			l.StreamWindow = 0
		}
		c.limits.StreamWindow = int32(l.StreamWindow)
		if l.ServerMemory > 0 && l.ServerMemory < 64<<10 {
			c.bad("WithLimits: ServerMemory %d: want at least 65536, 0 for the default, or negative for no limit", l.ServerMemory)
		}
		c.limits.ReceiveMemory, c.limits.ServerMemory = int32(l.ReceiveMemory), int64(l.ServerMemory)
		c.maxRunning = max(0, l.Handlers)
		c.limits.HeaderFields = fieldLimit(l.HeaderFields)
		c.limits.Backlog = l.Backlog
		c.limits.PrefaceTimeout, c.limits.HeaderTimeout = l.PrefaceTimeout, l.HeaderTimeout
		c.limits.WriteStall, c.limits.ZeroWindow = l.WriteStall, l.ZeroWindow
	}}
}

// fieldLimit leaves room for the hard limit, four times the soft one.
func fieldLimit(n int) uint32 {
	const most = math.MaxUint32 / 4
	if n < 0 || n > most {
		return most
	}
	return uint32(n)
}

// WithMaxHeaderListSize bounds a received header section, in bytes as RFC 9113 §10.5.1 counts
// them: names, values and 32 for each field. A larger one ends the call with RESOURCE_EXHAUSTED,
// four times as much the connection. The open calls of a connection may together have half as much as all
// that WithMaxConcurrentStreams allows, more are refused [head_memory]. 0: the default, 16 KiB. Negative is a mistake.
func WithMaxHeaderListSize(bytes int) Option {
	return option{func(c *sharedConfig) {
		if bytes < 0 || uint64(bytes) > 1<<28 {
			c.bad("WithMaxHeaderListSize(%d): want 0 to 268435456", bytes)
			return
		}
		c.limits.HeaderList = uint32(bytes)
		c.limits.HeaderListHard = 4 * uint32(bytes)
	}}
}

// WithMaxConnections bounds the open connections of the server; more are closed as they come, and
// counted as connections_over_limit. 0: no limit, the default. Negative is a mistake.
func WithMaxConnections(n int) ServerOption {
	return serverOption(func(c *serverConfig) {
		if n < 0 {
			c.bad("WithMaxConnections(%d): want 0 or more", n)
		}
		c.maxConns = n
	})
}

// WithMaxConnectionsPerAddress bounds the open connections from one IP address, likewise
// (connections_per_address_over_limit). All Unix sockets' peers count as one. 0: no limit, the default:
// many clients may stand behind one address.
func WithMaxConnectionsPerAddress(n int) ServerOption {
	return serverOption(func(c *serverConfig) {
		if n < 0 {
			c.bad("WithMaxConnectionsPerAddress(%d): want 0 or more", n)
		}
		c.maxPerPeer = n
	})
}

// finishLimits compiles the budgets. A limit of blocks that is not set follows the header list's, which would
// never be reached otherwise.
func (c *sharedConfig) finishLimits(server bool) {
	b := &c.budgets
	if !server {
		b.PingStrikes = abuse.Unlimited // gRFC A8: servers ping as they like
	}
	const block, frames, frame = 64 << 10, 16, 8 << 10
	if hard := int(c.limits.HeaderListHard); hard > block {
		if b.BlockBytes == 0 {
			b.BlockBytes = hard
		}
		if b.LargeContinuations == 0 {
			b.LargeContinuations = max(frames, hard/frame+1)
		}
	}
	policy, err := abuse.NewPolicy(*b)
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			c.bad("WithLimits: %s", strings.TrimPrefix(line, "abuse limit "))
		}
	}
	c.limits.Abuse = policy
}
