// Package reason names why calls, streams and connections end: one package produces a code, others
// compare it, count it or explain it.
//
// Codes are part of what users see, as keys of Stats and in logs, so that they are short, stable
// and few. Those that name a rule of RFC 9113 or 7541 that a peer broke stand in tables of
// internal/h2, where each is produced at one place and compared nowhere; every other one is a
// constant of this package. internal/layers fails for a code without a producer, and for a literal
// in place of a constant.
package reason

// A Code names a reason. The zero Code is none.
type Code string

// Header lists, in both directions.
const (
	// HeaderList is a request or response whose header list is larger than this side accepts
	// (Limits.MaxHeaderListSize).
	HeaderList Code = "header_list"
	// PeerHeaderList is a request or response whose header list is larger than the peer accepts
	// (its SETTINGS_MAX_HEADER_LIST_SIZE). It was not sent, or not all of it.
	PeerHeaderList Code = "peer_header_list"
)

// Connections that did not come about, or were lost.
const (
	TLSHandshake     Code = "tls_handshake"     // a server's handshake failed
	TLSAlert         Code = "tls_alert"         // the server answered in TLS
	HTTP1            Code = "http1"             // the peer speaks HTTP/1.1
	Preface          Code = "preface"           // the client's preface did not come
	BadPreface       Code = "bad_preface"       // the client sent something else
	ConnectTimeout   Code = "connect_timeout"   // the handshake took longer than WithConnectTimeout
	GoAway           Code = "goaway"            // the peer said so
	EOF              Code = "eof"               // the peer closed the connection
	Read             Code = "read"              // reading failed
	ReadTimeout      Code = "read_timeout"      // the peer did not finish what it had begun
	Write            Code = "write"             // writing failed
	WriteStall       Code = "write_stall"       // the peer did not read
	KeepaliveTimeout Code = "keepalive_timeout" // nothing was received in answer to a PING
	Internal         Code = "internal"          // a fault of this module's
	IDsSpent         Code = "ids_spent"         // of streams
)

// Connections that this side ended on purpose.
const (
	ClientClosed Code = "client_closed" // Client.Close
	ServerClosed Code = "server_closed" // Server.Close, or Shutdown when its time was up
	Closed       Code = "closed"
	Drained      Code = "drained"  // Server.Shutdown, or a channel that has no more use for it
	Draining     Code = "draining" // a call on a connection that takes no new ones
	MaxAge       Code = "max_age"  // Keepalive.MaxConnectionAge
	MaxIdle      Code = "max_idle" // Keepalive.MaxConnectionIdle

	ConnectionsOverLimit           Code = "connections_over_limit"             // Limits.MaxConnections
	ConnectionsPerAddressOverLimit Code = "connections_per_address_over_limit" // Limits.MaxConnectionsPerAddress
)

// Streams.
const (
	RSTStream        Code = "rst_stream"   // the peer said so
	StreamOver       Code = "stream_over"  // it was used after its end
	RequestGone      Code = "request_gone" // the client of a request that net/http accepted has ended it, or is gone
	StreamsOverLimit Code = "streams_over_limit"
	HeadMemory       Code = "head_memory"       // the heads of the connection's calls hold too much
	ServerMemory     Code = "server_memory"     // Limits.ServerMemory
	ConnectionMemory Code = "connection_memory" // Limits.ReceiveMemory
	PeerSlowed       Code = "peer_slowed"       // not an end: a peer that floods is read from more slowly
	ZeroWindow       Code = "zero_window"       // the peer gives no window for a response
	ResponseDeadline Code = "response_deadline" // the call's deadline passed while its response waited for window
)

// Requests that a server refuses or fails.
const (
	NotPost            Code = "not_post"
	NotGRPC            Code = "not_grpc"
	HTTP1GRPC          Code = "http1_grpc" // gRPC over HTTP/1.1
	UnknownMethod      Code = "unknown_method"
	MessageTooLarge    Code = "message_too_large" // also when decompressed
	MessageMalformed   Code = "message_malformed"
	MessageCount       Code = "message_count"
	HTTPHandlerAborted Code = "http_handler_aborted"
)

// Log lines of servers that nothing counts.
const (
	Accept              Code = "accept" // a failed accept
	Authentication      Code = "authentication"
	Trailer             Code = "trailer" // metadata that may not be sent
	HTTPHandlerPanicked Code = "http_handler_panicked"
	HandlerPanicked     Code = "handler_panicked"
	HandlerError        Code = "handler_error" // without a status
)

// Attempts that a client ends, and what its calls have failed for.
const (
	Canceled       Code = "canceled"
	AttemptLost    Code = "attempt_lost"    // another attempt was chosen
	AttemptTimeout Code = "attempt_timeout" // PerAttemptRecvTimeout
	ResponseWrong  Code = "response_wrong"  // what came is no response of gRPC
	Deadline       Code = "deadline"
	NoConnection   Code = "no_connection"
	Request        Code = "request"  // the call failed before anything was sent
	Status         Code = "status"   // the server said so
	Response       Code = "response" // what the server sent was wrong
)
