package naru

import (
	"context"
	"io"
	"slices"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// intercepted returns the options of a call whose interceptors watch it as c.
func (cl *Client) intercepted(c *Call, opts []CallOption) (*callConfig, error) {
	c.mu.Lock()
	opts = append(slices.Clip(opts), c.opts...)
	c.mu.Unlock()
	set, err := cl.settings(c.method, opts)
	if err != nil {
		return nil, err
	}
	own := *set
	own.Hooks = &c.hooks
	toldToo := own.OnPeer
	before := c.Attempts()
	own.OnPeer = func(info *transport.ConnInfo, attempts int) {
		c.setPeer(info, before+attempts)
		if toldToo != nil {
			toldToo(info, attempts)
		}
	}
	own.OnAttempt = func(a client.AttemptInfo) {
		c.attempt(Attempt{Number: before + a.Number, Peer: peerOf(a.Conn), Ended: a.Ended, Err: a.Err})
	}
	return &own, nil
}

func (cl *Client) invokeThrough(ctx context.Context, chain []Interceptor, m *MethodInfo, req, res any, opts []CallOption) error {
	c := newCall(m, stats.Client, nil)
	c.request, c.into = req, res
	err := runChain(ctx, chain, c, func(ctx context.Context) error {
		req := c.beginAttempt()
		set, err := cl.intercepted(c, opts)
		if err != nil {
			return err
		}
		var header, trailer metadata.MD
		userHeader, userTrailer := set.Header, set.Trailer
		set.Header, set.Trailer = &header, &trailer
		err = client.Invoke(ctx, cl.env, m.client(), &set.Settings, req, res)
		c.setResponse(header, trailer)
		if err == nil {
			c.noteResponse(res)
		}
		if userHeader != nil {
			*userHeader = header
		}
		if userTrailer != nil {
			*userTrailer = trailer
		}
		return err
	})
	if err == nil && c.Response() == nil {
		return errNoResponse
	}
	return err
}

// errNoResponse: an empty message must not pass for a response.
var errNoResponse = status.Error(codes.Internal,
	"an interceptor returned nil, but the call has no response: call next, Call.SetResponse or Call.HandleStream, or return an error")

// beginAttempt returns the request to send. What was supplied before is lost.
func (c *Call) beginAttempt() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.response, c.supplied = nil, nil
	return c.request
}

// interceptedStream is a stream whose final status is its interceptors'.
type interceptedStream struct {
	ClientStream // set before begun is closed
	kind         Kind
	begun        chan struct{} // closed when ClientStream is set
	done         chan struct{} // closed when the chain has returned
	err          error         // what it returned; after done
	call         *Call
}

// streamThrough runs the chain on a goroutine of its own, which ends when the stream has ended and
// the last interceptor has returned. req is the only request of a call that has one, nil if the
// program sends it itself.
func (cl *Client) streamThrough(ctx context.Context, chain []Interceptor, m *MethodInfo, req any, opts []CallOption) (ClientStream, error) {
	c := newCall(m, stats.Client, nil)
	s := &interceptedStream{kind: m.Kind, begun: make(chan struct{}), done: make(chan struct{}), call: c}
	c.request, c.stream = req, s
	go func() {
		defer close(s.done)
		s.err = runChain(ctx, chain, c, func(ctx context.Context) error { return cl.runStream(ctx, s, m, opts) })
		if s.err != nil && s.ClientStream != nil {
			// An interceptor may give up while the stream runs, by returning from a goroutine of
			// next.
			_ = s.ClientStream.Close() // always nil
		}
	}()
	select {
	case <-s.begun:
		return s, nil
	case <-s.done:
	}
	if s.err != nil {
		return nil, s.err
	}
	res := c.Response()
	if res == nil {
		return nil, errNoResponse
	}
	return newLocalStream(ctx, m.Kind).answered(res), nil
}

// runStream is what the last interceptor calls: it begins the stream and returns when it has ended.
func (cl *Client) runStream(ctx context.Context, s *interceptedStream, m *MethodInfo, opts []CallOption) error {
	if s.ClientStream != nil {
		return status.Error(codes.Internal, "an interceptor called next again on a stream that had begun")
	}
	req := s.call.beginAttempt()
	set, err := cl.intercepted(s.call, opts)
	if err != nil {
		return err
	}
	var stream *client.Stream
	if req != nil {
		stream, err = client.NewStreamWith(ctx, cl.env, m.client(), &set.Settings, req)
	} else {
		stream, err = client.NewStream(ctx, cl.env, m.client(), &set.Settings)
	}
	if err != nil {
		return err
	}
	s.begin(stream)
	<-stream.Ended()
	s.call.setResponse(stream.ResponseHeader(), stream.Trailer())
	return stream.Err()
}

func (s *interceptedStream) begin(stream ClientStream) {
	s.ClientStream = stream
	close(s.begun)
}

// RecvMsg returns the interceptors' status when the call has ended.
func (s *interceptedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil && s.kind.ServerStreams() {
		return nil
	}
	<-s.done
	switch {
	case s.err != nil:
		return s.err
	case s.kind.ServerStreams():
		return io.EOF
	}
	if res := s.call.Response(); res != nil {
		return copyMessage("Call.SetResponse", m, res)
	}
	if err == io.EOF || err == nil {
		return err
	}
	return errNoResponse
}
