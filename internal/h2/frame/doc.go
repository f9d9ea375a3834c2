// Package frame reads and writes HTTP/2 frames (RFC 9113 §4 and §6).
//
// It is pure: bytes in, values out, and back. Receiving a frame takes three steps. First
// [ParseHeader], then [Header.Check], which applies every rule that needs no payload, so
// that a frame of a wrong size is refused before it is buffered. Last the Parse function of
// the frame's type with the whole payload. Payload parsers return views of what they are
// given and allocate nothing; they rely on Check having passed.
//
// The state of streams is none of this package's business: whether a frame may arrive now,
// what its stream id refers to, and whether a CONTINUATION is due are for the caller.
//
// Writers append to a slice. They check nothing, so that tests can also write what is illegal.
package frame
