// Package healthpb holds the messages of gRPC's health checking protocol (grpc.health.v1).
// Package health is what programs use; the messages are for those that make calls by hand.
package healthpb
