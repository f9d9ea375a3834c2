package grpcgo

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// The keys under which grpc-go looks values up in contexts. They are private there, but not secret:
// a context that records what it is asked for learns them. With them, a context of this package
// makes what grpc-go's functions look for when it is asked for, and calls that do not ask pay
// nothing.
var (
	streamKey   = keyOf(func(ctx context.Context) { grpc.ServerTransportStreamFromContext(ctx) })
	incomingKey = keyOf(func(ctx context.Context) { metadata.FromIncomingContext(ctx) })
	peerKey     = keyOf(func(ctx context.Context) { peer.FromContext(ctx) })
)

func keyOf(ask func(context.Context)) any {
	var r keyRecorder
	ask(&r)
	return r.key
}

// keyRecorder is a context that remembers the last key it was asked for.
type keyRecorder struct{ key any }

func (*keyRecorder) Deadline() (time.Time, bool) { return time.Time{}, false }
func (*keyRecorder) Done() <-chan struct{}       { return nil }
func (*keyRecorder) Err() error                  { return nil }
func (r *keyRecorder) Value(key any) any         { r.key = key; return nil }
