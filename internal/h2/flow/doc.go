// Package flow decides about receive windows and receive memory: which WINDOW_UPDATEs a connection
// sends (RFC 9113 §5.2, §6.9), and which streams a server ends when it holds too much.
// docs/memory.md says what follows for a server and its peers.
//
// It is pure: time is passed in, nothing blocks, and what is decided is carried out by the caller.
// The user of a Conn and its Streams must serialize the calls; package h2 does so with the
// connection's lock. Slowest has no state.
package flow
