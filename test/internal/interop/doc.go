// Package interop holds both ends of gRPC's interoperability tests on naru: the service
// grpc.testing.TestService and the cases a client runs against it. What each case does is laid
// down in https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md; the cases
// that need an account with a cloud provider are not here.
package interop
