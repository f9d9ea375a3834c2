package naru

import (
	"context"

	"github.com/naru-rpc/naru/internal/call/server"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ServiceRegistrar is what generated RegisterXServer functions take. *Server is one.
type ServiceRegistrar interface {
	// RegisterService adds a service. Mistakes (a name registered twice, a method twice, registering
	// after Serve) are reported by Serve and ListenAndServe.
	RegisterService(desc *ServiceDesc)
}

// ServiceDesc describes a service and its handlers. Generated code builds it.
type ServiceDesc struct {
	// Name is the full name: "package.Service".
	Name string
	// Methods are the service's methods, in the order of the .proto file.
	Methods []MethodDesc
	// File is the file the service is declared in, for reflection; nil if unknown.
	File protoreflect.FileDescriptor
}

// MethodDesc is a method together with its handler. The four handler functions make it.
type MethodDesc struct {
	info *MethodInfo
	// newRequest makes a message for the only request of a call; nil: the client may send several.
	newRequest func() any
	// serve decodes, runs the handler, and replies. It runs inside the interceptors. req is the request if
	// an interceptor had it decoded or supplied it; nil: it has still to be received.
	serve func(ctx context.Context, c *server.Call, req any) error
}

// Info returns the method's description.
func (m *MethodDesc) Info() *MethodInfo { return m.info }

// UnaryHandler binds a typed handler to a unary method. The request is the handler's to keep; the
// response is not touched after the handler's return and its sending.
func UnaryHandler[Req, Res any](m *MethodInfo, h func(context.Context, *Req) (*Res, error)) MethodDesc {
	return MethodDesc{info: m, newRequest: newMessage[Req], serve: func(ctx context.Context, c *server.Call, decoded any) error {
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
	}}
}

// ServerStreamHandler binds a typed handler to a server-streaming method.
func ServerStreamHandler[Req, Res any](m *MethodInfo, h func(*Req, ServerStreamingServer[Res]) error) MethodDesc {
	return MethodDesc{info: m, newRequest: newMessage[Req], serve: func(_ context.Context, c *server.Call, decoded any) error {
		req, err := requestOf[Req](c, decoded)
		if err != nil {
			return err
		}
		return h(req, &serverStream[Req, Res]{c})
	}}
}

// ClientStreamHandler binds a typed handler to a client-streaming method.
func ClientStreamHandler[Req, Res any](m *MethodInfo, h func(ClientStreamingServer[Req, Res]) error) MethodDesc {
	return MethodDesc{info: m, serve: func(_ context.Context, c *server.Call, _ any) error {
		return h(&serverStream[Req, Res]{c})
	}}
}

// BidiStreamHandler binds a typed handler to a bidirectional method.
func BidiStreamHandler[Req, Res any](m *MethodInfo, h func(BidiStreamingServer[Req, Res]) error) MethodDesc {
	return MethodDesc{info: m, serve: func(_ context.Context, c *server.Call, _ any) error {
		return h(&serverStream[Req, Res]{c})
	}}
}

func newMessage[T any]() any { return new(T) }

// requestOf returns the only request of a call, receiving it if no interceptor has.
func requestOf[Req any](c *server.Call, decoded any) (*Req, error) {
	if decoded != nil {
		return decoded.(*Req), nil
	}
	req := new(Req)
	if err := c.RecvMsg(req); err != nil {
		return nil, err
	}
	return req, nil
}
