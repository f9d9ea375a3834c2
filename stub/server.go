package stub

import (
	"context"
	"iter"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/handler"
	"github.com/naru-rpc/naru/status"
)

// UnaryHandler binds a typed handler to a unary method. The request is the handler's to keep. The
// response is not used after it has been sent. A handler that returns neither a response nor an
// error ends the call with INTERNAL.
func UnaryHandler[Req, Res any](m *naru.MethodInfo, h func(context.Context, *Req) (*Res, error)) naru.MethodDesc {
	return bind(m, newMessage[Req], func(ctx context.Context, c *server.Call, decoded any) error {
		req, err := requestOf[Req](c, decoded)
		if err != nil {
			return err
		}
		res, err := h(ctx, req)
		if err != nil {
			return err
		}
		if res == nil {
			return errNilResponse
		}
		return c.Reply(res)
	})
}

// ServerStreamHandler binds a typed handler to a server-streaming method.
func ServerStreamHandler[Req, Res any](m *naru.MethodInfo, h func(*Req, naru.ServerStreamingServer[Res]) error) naru.MethodDesc {
	return bind(m, newMessage[Req], func(_ context.Context, c *server.Call, decoded any) error {
		req, err := requestOf[Req](c, decoded)
		if err != nil {
			return err
		}
		return h(req, &serverStream[Req, Res]{c})
	})
}

// ClientStreamHandler binds a typed handler to a client-streaming method.
func ClientStreamHandler[Req, Res any](m *naru.MethodInfo, h func(naru.ClientStreamingServer[Req, Res]) error) naru.MethodDesc {
	return bind(m, nil, func(_ context.Context, c *server.Call, _ any) error {
		return h(&serverStream[Req, Res]{c})
	})
}

// BidiStreamHandler binds a typed handler to a bidirectional method.
func BidiStreamHandler[Req, Res any](m *naru.MethodInfo, h func(naru.BidiStreamingServer[Req, Res]) error) naru.MethodDesc {
	return bind(m, nil, func(_ context.Context, c *server.Call, _ any) error {
		return h(&serverStream[Req, Res]{c})
	})
}

// UntypedHandler binds a handler to a method of any kind, for services whose messages are known to
// the handler alone: adapters, recorders, proxies. It receives with RecvMsg and sends with SendMsg
// into and from messages that the server's codec takes. A method with one request has one message
// to receive, io.EOF after it. On a method with one response SendMsg keeps the response, which is
// sent with the status when h has returned nil; a second one is an error, and none ends the call
// with INTERNAL. Interceptors do not know the request of such a method (Call.Request), but see its
// messages (Call.OnReceive, Call.OnSend).
func UntypedHandler(m *naru.MethodInfo, h func(naru.ServerStream) error) naru.MethodDesc {
	return bind(m, nil, func(_ context.Context, c *server.Call, _ any) error { return h(c) })
}

func bind(m *naru.MethodInfo, newRequest func() any, serve handler.Func) naru.MethodDesc {
	return naru.MethodDesc{Info: m, Handler: handler.Handler{NewRequest: newRequest, Serve: serve}}
}

func newMessage[T any]() any { return new(T) }

// requestOf returns the only request of a call, receiving it if no interceptor has.
func requestOf[Req any](c *server.Call, decoded any) (*Req, error) {
	if decoded != nil {
		return decoded.(*Req), nil
	}
	return receive[Req](c)
}

var (
	errNilResponse = status.Error(codes.Internal, "the handler returned no message")
	errNilMessage  = status.Error(codes.Internal, "send: the message is nil")
)

// serverStream is all three typed server streams.
type serverStream[Req, Res any] struct{ *server.Call }

func (s *serverStream[Req, Res]) Send(m *Res) error {
	if m == nil {
		return errNilMessage
	}
	return s.SendMsg(m)
}

func (s *serverStream[Req, Res]) SendAndClose(m *Res) error {
	if m == nil {
		return errNilResponse
	}
	return s.Reply(m)
}

func (s *serverStream[Req, Res]) Recv() (*Req, error) { return receive[Req](s) }

func (s *serverStream[Req, Res]) All() iter.Seq2[*Req, error] { return all[Req](s, nil) }
