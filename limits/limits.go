package limits

import "time"

// Defaults that programs ask for by name. The others stand at their fields.
const (
	// DefaultMaxReceiveMessageSize is the largest message that is received, in bytes: 4 MiB, as in
	// other gRPC implementations.
	DefaultMaxReceiveMessageSize = 4 << 20
	// DefaultMaxConcurrentStreams is how many calls a client may have open on one connection.
	DefaultMaxConcurrentStreams = 256
)

// A Rate allows Burst events at once and PerSecond more each second after. The zero Rate is the
// default of its limit. Both numbers are at most [MaxRate].
type Rate struct {
	// Burst is the number of events allowed at once. Negative means no limit. Zero beside a
	// PerSecond that is not zero is an error.
	Burst int
	// PerSecond is the number allowed each second after. Zero means that the burst is all there
	// ever is; negative is an error.
	PerSecond int
}

// MaxRate is the largest number in a [Rate].
const MaxRate = 1_000_000_000

// Limits bound what a peer can make a server or a client hold and do. Zero means the default,
// which stands in parentheses; negative means no limit. Where there is no way to say no limit the
// field says so, and negative is an error of NewServer or NewClient.
//
// What exceeds a limit loses the connection, with a GOAWAY that names the limit, unless the field
// says otherwise. Statistics count it by the reason in brackets. A limit of one side is without
// effect on the other, and says so.
type Limits struct {
	// Messages. Of servers, clients, methods and single calls.

	// MaxReceiveMessageSize is the largest message received, in bytes
	// (DefaultMaxReceiveMessageSize). It holds for the message on the wire before anything is
	// allocated for it, and for what it decompresses to while that is being done. A larger message
	// ends its call with RESOURCE_EXHAUSTED [message_too_large]; sending it again is of no use.
	MaxReceiveMessageSize int
	// MaxSendMessageSize is the largest message sent, in bytes before compression (no limit). A
	// larger one is not sent and ends its call with RESOURCE_EXHAUSTED.
	MaxSendMessageSize int

	// Calls.

	// MaxHeaderListSize is the largest header section received, in bytes as RFC 9113 §10.5.1 counts
	// them: names, values and 32 for each field (16 KiB). A larger one ends its call with
	// RESOURCE_EXHAUSTED [header_list], one of four times as many bytes the connection
	// [hpack_list_size]. The open calls of a connection may together have half as much as all that
	// MaxConcurrentStreams allows; more are refused [head_memory]. No limit means 256 MiB, which is
	// also the largest value.
	MaxHeaderListSize int
	// HeaderFields is the number of fields in a received header section (128). A call with more
	// ends with RESOURCE_EXHAUSTED [header_list].
	HeaderFields int
	// MaxConcurrentStreams is how many calls a client may have open on one connection, and how many
	// handlers run for it, those of calls that were reset included
	// (DefaultMaxConcurrentStreams). Further calls wait at the client. Of servers.
	MaxConcurrentStreams int
	// Handlers is how many handlers run at a time on a server, those of calls that were given up
	// included (no limit). Further calls wait, until they are given up; connections take turns. The
	// default is no limit, since strangers could make everybody wait by using it up. It is for
	// servers whose handlers take much memory, or do not end with their contexts.
	Handlers int
	// MaxAttempts is how many attempts of a call, retried or hedged, a service config may ask for
	// (5, gRFC A6); no limit cannot be said. 1 turns policy retries and hedging off. Attempts of
	// which nothing reached a server are not counted. Of clients.
	MaxAttempts int
	// MaxRetryDelay is how long servers may ask a call to wait before further attempts
	// (grpc-retry-pushback-ms, google.rpc.RetryInfo), all pauses of the call together (10 s). A
	// server that asks for more gets no other attempt: the call ends with the status at hand.
	// Attempts under a hedging policy are bounded in the same way. Of clients, methods and single
	// calls.
	MaxRetryDelay time.Duration

	// Connections.

	// MaxConnections is how many connections a server has open (no limit). More are closed as they
	// come [connections_over_limit].
	MaxConnections int
	// MaxConnectionsPerAddress is how many connections a server has open from one IP address (no
	// limit: many clients may stand behind one address). More are closed as they come
	// [connections_per_address_over_limit]. The peers of all Unix sockets count as one.
	MaxConnectionsPerAddress int
	// PrefaceTimeout bounds TLS handshake, preface and first SETTINGS of a connection (10 s)
	// [tls_handshake, preface, read_timeout].
	PrefaceTimeout time.Duration
	// HeaderTimeout bounds a frame or header block that has begun (10 s) [read_timeout].
	HeaderTimeout time.Duration
	// WriteStall bounds how long a peer may read nothing while there is something to write to it
	// (30 s) [write_stall].
	WriteStall time.Duration
	// ZeroWindow bounds how long a complete response waits for a peer that gives it no window (60
	// s). The stream is reset, which ResetsCaused counts [zero_window]. At the call's deadline it
	// is reset in any case [response_deadline].
	ZeroWindow time.Duration

	// Memory.

	// StreamWindow is the number of bytes of a stream that its peer may send before this side has
	// said anything, 65535 to 2^30 (1 MiB on a server, 80 KiB on a client); no limit cannot be
	// said. Larger messages have the window extended when they begin, one round trip. While the
	// first windows of a connection's streams make a server hold more than half of ReceiveMemory,
	// or all of them half of ServerMemory, it is 80 KiB for the connection's streams, open ones too
	// (docs/memory.md). A server behind HAProxy needs one that its largest requests fit in
	// (docs/reliability.md).
	StreamWindow int
	// ReceiveMemory is the number of bytes by which the windows of a connection are opened beyond
	// what every stream has, 80 KiB or StreamWindow if it is less, 65536 to 2^30 (16 MiB); no limit
	// cannot be said. It is as much for streams that fill their windows, and twice as much for
	// messages that are larger than a window and have not been taken by the program; once while the
	// server holds half of ServerMemory or more. Larger messages wait for those before them; when
	// those come at less than 64 KiB/s and fill it, the slowest end with RESOURCE_EXHAUSTED
	// [connection_memory]. Clients keep to it for the windows of streams, not for messages.
	ReceiveMemory int
	// ServerMemory is the number of bytes that all connections of a server together hold, of
	// messages that the program has not taken and of responses that clients have not; at least
	// 65536 (a quarter of the memory the process may use, which is GOMEMLIMIT, the control group's
	// limit or the machine's memory, and at least 64 MiB). At the limit the calls whose bytes move
	// most slowly end with RESOURCE_EXHAUSTED, until a tenth is free [server_memory]. Of servers.
	ServerMemory int
	// Backlog is the number of bytes of responses that wait for the client on a connection (256
	// KiB). Beyond it, when four calls or more have finished and wait, further calls of the
	// connection are begun only as it takes them, and SendMsg of streams waits for the client.
	Backlog int

	// Frames. The defaults do not affect honest peers.

	// ResetsReceived limits calls that a client gives up before anything was done for them (1000,
	// 33/s) [reset_flood]: no handler had begun, less than 16 KiB of the request had come, and less
	// than 5 ms had passed (CVE-2023-44487, rapid reset). Calls that ended in good order earn as
	// many. Deadlines, cancellation and hedging do not come near it. A client beyond it is slowed
	// down to this rate [peer_slowed]; one that sends on as fast is told to open no more calls
	// (GOAWAY) and keeps those it has, until it is twice as far beyond it.
	ResetsReceived Rate
	// ResetsCaused limits streams that have to be reset for faults of the peer (1000, 33/s)
	// [reset_caused_flood] (CVE-2025-8671). What is beyond it is treated as for ResetsReceived.
	ResetsCaused Rate
	// OddFrames limits legal frames that do nothing: of unknown type (once more for each KiB),
	// empty or tiny DATA, PRIORITY, WINDOW_UPDATE nothing was sent for (10,000, 330/s)
	// [unknown_frame_flood, tiny_data_flood, priority_flood, window_update_flood,
	// closed_stream_flood, ack_flood, interim_flood, goaway_flood, empty_continuation_flood].
	OddFrames Rate
	// Refusals limits calls that a server refuses unseen, beyond as many as it serves: unknown
	// methods, other content types without an HTTP handler, header lists over the limit, which
	// count ten times (5000, 500/s) [refused_flood]. What is beyond it is treated as for
	// ResetsReceived. Of servers.
	Refusals Rate
	// Settings limits SETTINGS frames (16, 4/s) [settings_flood].
	Settings Rate
	// SettingsEntries is the number of entries of one SETTINGS frame (32) [settings_entries].
	SettingsEntries int
	// Pings limits PING frames that answer nothing (10, 10/s) [ping_flood].
	Pings Rate
	// PingInterval is the least time between the PINGs of a client while the server sends nothing
	// (5 minutes; 2 hours without a call), gRFC A8. Of servers.
	PingInterval time.Duration
	// PingStrikes is how often a client may fall short of PingInterval (2) [ping_strikes]. Of
	// servers.
	PingStrikes int
	// PingWithoutStreams makes PingInterval hold also for connections without a call. Of servers.
	PingWithoutStreams bool
	// ControlQueued is the number of acknowledgments and resets that wait to be written to a peer
	// that does not read (1000) [control_queue].
	ControlQueued int
	// Continuations is the number of CONTINUATION frames of a header block (8)
	// [small_continuation_flood] (CVE-2024-27316).
	Continuations int
	// LargeContinuations is the number of those of a block that fills them, with 8 KiB or more each
	// (16) [continuation_flood].
	LargeContinuations int
	// BlockBytes is the number of bytes of a header block (64 KiB, or four times MaxHeaderListSize
	// if that is larger) [block_bytes].
	BlockBytes int
}
