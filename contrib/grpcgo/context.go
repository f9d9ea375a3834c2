package grpcgo

import (
	"context"
	"sync/atomic"

	"github.com/naru-rpc/naru"
	narumd "github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// A serverCall is the context of a handler, and the grpc.ServerTransportStream in it. It makes what
// grpc-go's functions look for in contexts when they ask. Its methods are safe for concurrent use.
type serverCall struct {
	context.Context // naru's, of the call

	// immutable
	subtype  string
	insecure bool       // a peer over plaintext has the AuthInfo of insecure credentials
	stats    *statsCall // nil: no stats handler

	// atomic
	incoming atomic.Pointer[metadata.MD]
	peer     atomic.Pointer[peer.Peer]
}

func newServerCall(ctx context.Context) *serverCall {
	return &serverCall{Context: ctx, subtype: stub.ContentSubtype(ctx)}
}

// Value implements context.Context.
func (c *serverCall) Value(key any) any {
	switch key {
	case streamKey:
		return c
	case incomingKey:
		return c.incomingMD()
	case peerKey:
		return c.peerOf()
	}
	return c.Context.Value(key)
}

// AfterFunc lets the standard library wait for the end of the call without a goroutine.
func (c *serverCall) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.Context, f) }

// String is what %v prints of a context.
func (c *serverCall) String() string { return "grpcgo.call(" + c.Method() + ")" }

// incomingMD is the request's metadata, with the fields of the protocol that grpc-go shows to
// handlers. grpc-go's functions copy it.
func (c *serverCall) incomingMD() metadata.MD {
	if md := c.incoming.Load(); md != nil {
		return *md
	}
	got, _ := narumd.FromIncomingContext(c.Context)
	md := metadata.MD(got)
	contentType := "application/grpc"
	if c.subtype != "" {
		contentType += "+" + c.subtype
	}
	md["content-type"] = []string{contentType}
	if accept := stub.AcceptedCompressors(c.Context); len(accept) > 0 {
		md["grpc-accept-encoding"] = []string{joined(accept)}
	}
	c.incoming.CompareAndSwap(nil, &md)
	return *c.incoming.Load()
}

func (c *serverCall) peerOf() *peer.Peer {
	if p := c.peer.Load(); p != nil {
		return p
	}
	p, ok := naru.PeerFromContext(c.Context)
	if !ok {
		return nil
	}
	q := peerOf(p)
	if p.TLS == nil && !c.insecure {
		q.AuthInfo = nil // as on a server of grpc-go without the option Creds
	}
	c.peer.CompareAndSwap(nil, q)
	return c.peer.Load()
}

// Method implements grpc.ServerTransportStream.
func (c *serverCall) Method() string { return naru.FullMethod(c.Context) }

// SetHeader implements grpc.ServerTransportStream.
func (c *serverCall) SetHeader(md metadata.MD) error {
	if len(md) == 0 {
		return nil
	}
	return FromNaru(naru.SetHeader(c.Context, sendable(md)))
}

// SendHeader implements grpc.ServerTransportStream.
func (c *serverCall) SendHeader(md metadata.MD) error {
	err := naru.SendHeader(c.Context, sendable(md))
	if err == nil && c.stats != nil {
		c.stats.sentHeader()
	}
	return FromNaru(err)
}

// SetTrailer implements grpc.ServerTransportStream.
func (c *serverCall) SetTrailer(md metadata.MD) error {
	if len(md) == 0 {
		return nil
	}
	return FromNaru(naru.SetTrailer(c.Context, sendable(md)))
}
