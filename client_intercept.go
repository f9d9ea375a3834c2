package naru

import (
	"context"
	"io"
	"slices"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// intercepted returns the options of a call whose interceptors watch it as c.
func (cl *Client) intercepted(c *Call, opts []CallOption) (*callConfig, error) {
	c.mu.Lock()
	opts = append(slices.Clip(opts), c.opts...)
	c.mu.Unlock()
	set, err := cl.settings(opts)
	if err != nil {
		return nil, err
	}
	own := *set
	own.Hooks = &c.hooks
	toldToo := own.OnPeer
	before := c.Attempts()
	own.OnPeer = func(info *transport.ConnInfo, attempts int) {
		c.setPeer(info)
		if toldToo != nil {
			toldToo(info, attempts)
		}
	}
	own.OnAttempt = func(a call.AttemptInfo) {
		c.attempt(Attempt{Number: before + a.Number, Peer: peerOf(a.Conn), Ended: a.Ended, Err: a.Err})
	}
	return &own, nil
}

func (cl *Client) invokeThrough(ctx context.Context, chain []Interceptor, m *MethodInfo, req, res any, opts []CallOption) error {
	c := newCall(m, ClientSide, nil)
	called := false
	err := runChain(ctx, chain, c, func(ctx context.Context) error {
		called = true
		set, err := cl.intercepted(c, opts)
		if err != nil {
			return err
		}
		var header, trailer metadata.MD
		userHeader, userTrailer := set.Header, set.Trailer
		set.Header, set.Trailer = &header, &trailer
		err = call.Invoke(ctx, cl.env, m.client(), &set.Settings, req, res)
		c.setResponse(header, trailer)
		if userHeader != nil {
			*userHeader = header
		}
		if userTrailer != nil {
			*userTrailer = trailer
		}
		return err
	})
	if err == nil && !called {
		return errNextNever
	}
	return err
}

// errNextNever: without next there is no response, and an empty message must not pass for one.
var errNextNever = status.Error(codes.Internal, "an interceptor returned without an error and without calling next")

// interceptedStream is a stream whose final status is its interceptors'.
type interceptedStream struct {
	*call.ClientStream
	kind Kind
	done chan struct{} // closed when the chain has returned
	err  error         // what it returned; after done
}

// streamThrough runs the chain on a goroutine of its own, which ends when the stream has ended and the last
// interceptor has returned.
func (cl *Client) streamThrough(ctx context.Context, chain []Interceptor, m *MethodInfo, opts []CallOption) (ClientStream, error) {
	c := newCall(m, ClientSide, nil)
	s := &interceptedStream{kind: m.Kind, done: make(chan struct{})}
	begun := make(chan struct{}) // closed when s.ClientStream is set
	go func() {
		defer close(s.done)
		s.err = runChain(ctx, chain, c, func(ctx context.Context) error {
			if s.ClientStream != nil {
				return status.Error(codes.Internal, "an interceptor called next again on a stream that had begun")
			}
			set, err := cl.intercepted(c, opts)
			if err != nil {
				return err
			}
			stream, err := call.NewStream(ctx, cl.env, m.client(), &set.Settings)
			if err != nil {
				return err
			}
			s.ClientStream = stream
			close(begun)
			<-stream.Ended()
			c.setResponse(stream.ResponseHeader(), stream.Trailer())
			return stream.Err()
		})
		if s.err != nil && s.ClientStream != nil {
			// An interceptor may give up while the stream runs, by returning from a goroutine of next.
			_ = s.ClientStream.Close() // always nil
		}
	}()
	select {
	case <-begun:
		return s, nil
	case <-s.done:
	}
	if s.err == nil {
		return nil, errNextNever
	}
	return nil, s.err
}

// RecvMsg returns the interceptors' status when the call has ended.
func (s *interceptedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && s.kind.ServerStreams() {
		return nil
	}
	<-s.done
	if s.err != nil {
		return s.err
	}
	if err != nil {
		return io.EOF
	}
	return nil
}
