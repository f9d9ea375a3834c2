// Package wire is what both sides of a call have in common: the bytes of a gRPC message stream
// (PROTOCOL-HTTP2.md). It has no streams and no goroutines: bytes, header fields and messages go in
// and come out.
//
//   - Framing: a [Reassembler] cuts what has arrived into messages.
//   - Messages: an [Encoder] and a [Decoder] hold the codec, the compression and the limits of one
//     direction; an [Expansion] says whose compressed message is decompressed next.
//   - Header fields: their names, content types, timeouts, metadata, the parts of a status.
//
// # Buffers
//
// Received bytes are copied once, off the transport's read buffer into the call's Reassembler, and
// decoded there. A message to send is encoded into a buffer that is passed on to the transport.
package wire
