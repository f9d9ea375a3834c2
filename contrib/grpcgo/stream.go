package grpcgo

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/naru-rpc/naru"
	narumd "github.com/naru-rpc/naru/metadata"
	"google.golang.org/grpc/metadata"
)

// clientStream is a grpc.ClientStream over one of naru.
type clientStream struct {
	// immutable after newStream
	inner  naru.ClientStream
	kind   naru.Kind
	ctx    context.Context // ends when the stream does
	cancel context.CancelFunc
	stats  *clientStats // nil: no stats handler

	// guarded by ended: one goroutine gives them to the program
	set   *callSettings
	ended once

	// header is the response's once the stream has ended; atomic
	header atomic.Pointer[narumd.MD]

	// set by naru when an attempt has been sent
	peer naru.Peer
}

// Header implements grpc.ClientStream. As in grpc-go it is nil, without an error, if the call
// failed without one: RecvMsg tells why.
func (s *clientStream) Header() (metadata.MD, error) {
	if md := s.header.Load(); md != nil {
		return metadata.MD(md.Copy()), nil
	}
	md, err := s.inner.Header()
	if err != nil {
		s.finish(FromNaru(err))
		return nil, nil
	}
	if s.stats != nil {
		s.stats.gotHeader(metadata.MD(md))
	}
	return metadata.MD(md), nil
}

// Trailer implements grpc.ClientStream.
func (s *clientStream) Trailer() metadata.MD { return metadata.MD(s.inner.Trailer()) }

// CloseSend implements grpc.ClientStream.
func (s *clientStream) CloseSend() error {
	_ = s.inner.CloseSend() // "The error is always nil": RecvMsg tells
	return nil
}

// Context implements grpc.ClientStream. The context ends when the stream has; the peer is in it
// once the call has been sent.
func (s *clientStream) Context() context.Context { return streamContext{s.ctx, s} }

// SendMsg implements grpc.ClientStream.
func (s *clientStream) SendMsg(m any) error {
	err := s.inner.SendMsg(s.set.message(m))
	if s.stats != nil && err == nil {
		s.stats.sent(m)
	}
	if err == nil || err == io.EOF {
		return err
	}
	err = FromNaru(err)
	s.finish(err)
	return err
}

// RecvMsg implements grpc.ClientStream.
func (s *clientStream) RecvMsg(m any) error {
	err := s.inner.RecvMsg(s.set.message(m))
	if s.stats != nil && err == nil {
		if md, err := s.inner.Header(); err == nil {
			s.stats.gotHeader(metadata.MD(md))
		}
		s.stats.received(m)
	}
	switch {
	case err == nil && s.kind.ServerStreams():
		return nil
	case err == nil || err == io.EOF:
		s.finish(nil)
		return err
	}
	err = FromNaru(err)
	s.finish(err)
	return err
}

// finish gives the program what it asked for, and ends the context.
func (s *clientStream) finish(err error) {
	s.ended.do(func() {
		if s.ctx.Err() == nil { // else it is not known that the header came before
			if md, err := s.inner.Header(); err == nil {
				s.header.Store(&md)
				if s.set.header != nil {
					*s.set.header = metadata.MD(md)
				}
			}
		}
		if s.set.trailer != nil {
			*s.set.trailer = metadata.MD(s.inner.Trailer())
		}
		if s.set.peer != nil {
			s.set.reached = s.peer
		}
		s.set.finish(err)
		if s.stats != nil {
			s.stats.end(metadata.MD(s.inner.Trailer()), err)
		}
		s.cancel()
	})
}

// streamContext is the context of a client's stream.
type streamContext struct {
	context.Context
	s *clientStream
}

// Value implements context.Context.
func (c streamContext) Value(key any) any {
	if key == peerKey {
		if _, err := c.s.inner.Header(); err == nil && c.s.peer.Addr != nil {
			return peerOf(c.s.peer)
		}
		return nil
	}
	return c.Context.Value(key)
}

// AfterFunc lets the standard library wait for the end of the stream without a goroutine.
func (c streamContext) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.Context, f) }
