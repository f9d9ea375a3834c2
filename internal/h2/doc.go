// Package h2 is the HTTP/2 protocol (RFC 9113) without a network: bytes and times go in,
// events and bytes come out. It starts no goroutine, owns no socket and reads no clock.
//
// Two types share the work:
//
//   - [Reader] cuts received bytes into checked events. Only the connection's read loop
//     touches it, without a lock.
//   - [Conn] is the protocol state both directions share: stream table, windows, settings,
//     header encoder, and the out-buffer. Every method needs the caller's lock; every method
//     is short.
//
// Files: conn.go (a connection's state), reader.go and reader_frames.go (frames to events), recv.go
// (events applied to the state), resets.go (streams that end early), peer.go (what the peer
// announced), send.go (what a stream queues), sched.go (which stream sends next), data.go and
// smallframes.go (DATA frames), window.go, settings.go, goaway.go, and stream.go with the state
// diagram of RFC 9113 §5.1.
package h2
