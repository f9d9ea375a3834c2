// Package encoding turns messages into bytes and makes bytes smaller: codecs, named by the
// content subtype (application/grpc+proto), and compressors, named by grpc-encoding.
//
// Both are plain values. A [Registry] is the set a server or client knows; there is no global
// one, and nothing registers itself.
package encoding
