package naru

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/proto"
)

// Request returns the only request of a unary or server-streaming call; for other kinds it is an
// error. The message must not be changed: on a client it is the program's, on a server it becomes
// the handler's. Use SetRequest to replace it.
//
// On a server the first Request decodes the message, as next would have done: its error is the
// status of a request that cannot be decoded, which the interceptor returns. Functions that are
// added with OnReceive afterwards are not called for this message.
//
// On a client the request of a stream is known if generated code began it on a *Client. It is an
// error if it was begun with NewStream, or through a program's own ClientConnInterface.
func (c *Call) Request() (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.request != nil:
		return c.request, nil
	case c.method.Kind.ClientStreams():
		return nil, status.Errorf(codes.Internal, "Call.Request: a %s call has no single request; use OnReceive or OnSend", c.method.Kind)
	case c.server == nil || c.newRequest == nil:
		return nil, status.Error(codes.Internal, "Call.Request: the request is not known yet; use OnReceive or OnSend")
	}
	req := c.newRequest()
	c.mu.Unlock() // RecvMsg runs hooks
	err := c.server.RecvMsg(req)
	c.mu.Lock()
	if err != nil {
		return nil, err
	}
	c.request = req
	return req, nil
}

// SetRequest makes m the request that next sends, or that the handler gets, in place of the one
// that Request returns. m must be of the same type; it is not changed. It is an error after next
// has been called on a server, and for the kinds of call for which Request is an error.
func (c *Call) SetRequest(m any) error {
	old, err := c.Request()
	if err != nil {
		return err
	}
	if reflect.TypeOf(m) != reflect.TypeOf(old) {
		return wrongType("Call.SetRequest", m, old)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.side == stats.Server && c.ran {
		return status.Error(codes.Internal, "Call.SetRequest: the handler has already been called")
	}
	c.request = m
	return nil
}

// Response returns the only response of a call, nil if there is none yet: after next has returned
// without an error, or after SetResponse. It must not be changed, and on a client it is the
// program's as soon as the interceptor has returned: an interceptor that keeps it keeps a copy
// (proto.Clone).
//
// It is known for unary calls, and on a server for client-streaming ones as well. The messages of
// other streams pass through OnReceive and OnSend.
func (c *Call) Response() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.response
}

// SetResponse makes m the response of a call that has only one, a unary or a client-streaming call:
//
//   - instead of next, the interceptor supplies the response (a cache, a mock) and returns nil;
//   - after next, m takes the place of what next brought, or of its error if the interceptor
//     returns nil (a fallback).
//
// A response that is set before next is lost when next is called. On a client m is copied into the
// program's message, which must be of the same type; on a server m is encoded when the outermost
// interceptor has returned. m is not changed and may be used for other calls at the same time.
// On a server SetResponse does not check the type: a client would not understand another one.
//
// A response that did not arrive from a server is not passed to OnReceive, and not counted by
// Received.
func (c *Call) SetResponse(m any) error {
	if c.method.Kind.ServerStreams() {
		return status.Errorf(codes.Internal, "Call.SetResponse: a %s call has no single response; use HandleStream", c.method.Kind)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.into != nil {
		if err := copyMessage("Call.SetResponse", c.into, m); err != nil {
			return err
		}
		c.response, c.supplied = c.into, m
		return nil
	}
	c.response, c.supplied = m, m
	return nil
}

// HandleStream handles a call of one of the streaming kinds with f in place of next, on either
// side, and returns f's error: a cache, a mock or a fallback for streams. f plays the server: what
// it sends is what the client receives. It receives the messages of a client that sends several;
// the only request of a server-streaming call is Request's. f must not use the stream after it has
// returned.
//
// On a client no server takes part. Messages are copied, f waits with each one it sends until the
// program has received it, and ctx ends f's sends and receives; it ends at the latest when the
// program closes the stream. Options of the call, such as timeouts and compression, have no effect.
// HandleStream is an error once next has begun a stream, since the program already uses that one.
//
// On a server f uses the call's own stream. It may also run after next, to send more messages.
func (c *Call) HandleStream(ctx context.Context, f func(ServerStream) error) error {
	if c.method.Kind == KindUnary {
		return status.Error(codes.Internal, "Call.HandleStream: the call is unary; use SetResponse")
	}
	if c.server == nil {
		return c.handleLocally(ctx, f)
	}
	c.server.SetContext(ctx)
	if !c.method.Kind.ServerStreams() {
		return f(oneReply{c.server})
	}
	return f(c.server)
}

// oneReply is a server stream whose client gets one response, which goes out with the status.
type oneReply struct{ *server.Call }

func (s oneReply) SendMsg(m any) error { return s.Reply(m) }

// beginHandler returns the only request of a server's call, nil if the client may send several. A
// response that was supplied before is lost.
func (c *Call) beginHandler() (req any, err error) {
	c.mu.Lock()
	again := c.ran
	c.ran = true
	c.response, c.supplied = nil, nil
	c.mu.Unlock()
	switch {
	case again:
		return nil, errNextTwice
	case c.newRequest == nil:
		return nil, nil
	}
	return c.Request()
}

// noteResponse is told of the response as the handler returned it.
func (c *Call) noteResponse(m any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.response = m
}

// finishResponse keeps the response that interceptors supplied, after the last of them has
// returned.
func (c *Call) finishResponse() error {
	c.mu.Lock()
	m := c.supplied
	c.mu.Unlock()
	if m == nil {
		return nil
	}
	return c.server.SetReply(m)
}

// copyMessage makes dst, which is the program's, equal to src.
func copyMessage(who string, dst, src any) error {
	if dst == src {
		return nil
	}
	to, ok := dst.(proto.Message)
	from, ok2 := src.(proto.Message)
	if ok && ok2 && from.ProtoReflect().IsValid() && to.ProtoReflect().Descriptor() == from.ProtoReflect().Descriptor() {
		proto.Reset(to)
		proto.Merge(to, from)
		return nil
	}
	// Messages of other codecs.
	d, s := reflect.ValueOf(dst), reflect.ValueOf(src)
	if ok || ok2 || src == nil || d.Type() != s.Type() || d.Kind() != reflect.Pointer || s.IsNil() {
		return wrongType(who, src, dst)
	}
	d.Elem().Set(s.Elem())
	return nil
}

// cloneMessage returns a copy of m, which its sender may change.
func cloneMessage(m any) (any, error) {
	if u, ok := m.(wire.Uncompressed); ok { // nothing is compressed here
		m = u.Message
	}
	if p, ok := m.(proto.Message); ok {
		return proto.Clone(p), nil
	}
	v := reflect.ValueOf(m)
	if m == nil || v.Kind() != reflect.Pointer || v.IsNil() {
		text := fmt.Sprintf("send: the message is a %T, want a pointer that is not nil", m)
		return nil, status.New(codes.Internal, text).WithCause(&wire.LocalError{Err: errors.New(text)}).Err()
	}
	c := reflect.New(v.Type().Elem())
	c.Elem().Set(v.Elem())
	return c.Interface(), nil
}

// wrongType names the types. A server keeps them to itself when it sends the status.
func wrongType(who string, got, want any) error {
	text := fmt.Sprintf("%s: the message is a %T, want %T", who, got, want)
	return status.New(codes.Internal, text).WithCause(&wire.LocalError{Err: errors.New(text)}).Err()
}
