// Package reflection lets clients ask a server for its interface: gRPC server reflection, v1 and
// v1alpha (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). With it grpcurl,
// grpcui, evans, grpc_cli and API browsers call methods without .proto files at hand.
//
//	reflection.Register(server)
//
// Found are the files of the server's services ([naru.ServiceDesc]'s File) and everything linked
// into the program (protoregistry.GlobalFiles), with all they import. Whoever can call the server
// can so read the whole of its interface, also of parts that no service uses. Where that is too
// much, leave it out, or show each caller what it may call:
//
//	reflection.Register(server, reflection.WithFilter(rules.Allowed)) // rules of package auth/policy
//
// Known limitation: an answer holds a file and all it imports that the client does not have yet,
// as the protocol wants it; of very large interfaces that can be more than the client's limit on
// received messages.
//
// A stream ends with UNAVAILABLE when its server or connection drains.
//
// Goroutines: one per stream, started by the handler to wait for questions and for draining
// at once. It ends when the stream does, which the handler's return brings about.
package reflection
