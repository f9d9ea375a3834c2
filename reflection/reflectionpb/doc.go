// Package reflectionpb holds the messages of gRPC's server reflection, which are the same on
// the wire for grpc.reflection.v1 and v1alpha. Package reflection serves them; clients
// such as schema browsers use the messages.
package reflectionpb
