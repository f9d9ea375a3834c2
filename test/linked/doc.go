// Package linked holds the test that naru can live in one program with everything that declares
// the same protobuf names.
//
// The protobuf runtime panics at start when two linked packages register files or messages of
// one name. grpc-go registers grpc.health.v1, grpc.reflection.v1 and v1alpha, channelz and the ORCA
// services; genproto google.rpc; cncf/xds the ORCA reports. naru has types of its own for the
// first three; that they are registered under other names is what this test's start shows.
package linked
