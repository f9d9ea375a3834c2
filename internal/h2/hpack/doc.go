// Package hpack compresses and decompresses HTTP/2 field sections (RFC 7541).
//
// It is pure: no goroutines, no clock, no input or output. Neither [Encoder] nor [Decoder]
// is safe for concurrent use; a connection owns one of each.
//
// The encoder uses the dynamic table append-only. It inserts until the table is full and
// never evicts, so that what was inserted early (the fields every call of a connection
// shares) stays one byte long for the connection's life, and the peer's decoder is never
// made to evict either.
//
// The decoder bounds what a block can cost before it pays: a string's length is checked
// before a byte of it is copied, integers are limited to ten bytes and 32 bits, and the size
// of the decoded list is counted as RFC 9113 §6.5.2 defines it. See [Limits].
//
// Known limitation: the encoder never makes room for a field that became frequent after the
// table had filled; such a field travels as a literal with an indexed name.
package hpack
