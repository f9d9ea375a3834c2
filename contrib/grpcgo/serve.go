package grpcgo

import (
	"context"
	"io"

	"github.com/naru-rpc/naru"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// call begins a call of the registrar's.
func (r *Registrar) call(s naru.ServerStream) *serverCall {
	c := newServerCall(s.Context())
	c.insecure = r.insecure
	if r.counted {
		c.stats, _ = c.Context.Value(statsKey{}).(*statsCall)
	}
	return c
}

// serveUnary runs the handler of a unary method of generated code.
func (r *Registrar) serveUnary(s naru.ServerStream, handle grpc.MethodHandler, impl any) error {
	if r.handlers != nil {
		r.handlers.Add(1)
		defer r.handlers.Done()
	}
	c := r.call(s)
	decode := func(m any) error { return FromNaru(s.RecvMsg(message(m))) }
	reply, err := handle(impl, c, decode, r.unary)
	if err != nil {
		return ToNaru(err)
	}
	if c.stats != nil {
		return c.stats.send(reply, func() error { return s.SendMsg(message(reply)) })
	}
	return s.SendMsg(message(reply))
}

// serveStream runs the handler of a stream of generated code.
func (r *Registrar) serveStream(s naru.ServerStream, handle grpc.StreamHandler, impl any, info *grpc.StreamServerInfo) error {
	if r.handlers != nil {
		r.handlers.Add(1)
		defer r.handlers.Done()
	}
	ss := &serverStream{r.call(s), s}
	if r.stream != nil {
		return ToNaru(r.stream(impl, ss, info, handle))
	}
	return ToNaru(handle(impl, ss))
}

// serverStream is a grpc.ServerStream over one of naru.
type serverStream struct {
	call   *serverCall
	stream naru.ServerStream
}

// Context implements grpc.ServerStream.
func (s *serverStream) Context() context.Context { return s.call }

// SetHeader implements grpc.ServerStream.
func (s *serverStream) SetHeader(md metadata.MD) error { return s.call.SetHeader(md) }

// SendHeader implements grpc.ServerStream.
func (s *serverStream) SendHeader(md metadata.MD) error { return s.call.SendHeader(md) }

// SetTrailer implements grpc.ServerStream. What may not be sent is logged by the naru server and
// left out.
func (s *serverStream) SetTrailer(md metadata.MD) {
	if len(md) > 0 {
		s.stream.SetTrailer(sendable(md))
	}
}

// SendMsg implements grpc.ServerStream.
func (s *serverStream) SendMsg(m any) error {
	if st := s.call.stats; st != nil {
		return FromNaru(st.send(m, func() error { return s.stream.SendMsg(message(m)) }))
	}
	return FromNaru(s.stream.SendMsg(message(m)))
}

// RecvMsg implements grpc.ServerStream.
func (s *serverStream) RecvMsg(m any) error {
	err := s.stream.RecvMsg(message(m))
	if err == nil || err == io.EOF {
		return err
	}
	return FromNaru(err)
}

// message returns m as naru's codecs take it: messages of the first protobuf API, such as those of
// gogo/protobuf, in the form of the second. Others are returned as they are.
func message(m any) any {
	switch v := m.(type) {
	case proto.Message:
		return v
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(v)
	}
	return m
}

// chainUnary makes one interceptor of several, nil of none.
func chainUnary(all []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	first, rest := all[0], chainUnary(all[1:])
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return first(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			return rest(ctx, req, info, handler)
		})
	}
}

// chainStream makes one interceptor of several, nil of none.
func chainStream(all []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	first, rest := all[0], chainStream(all[1:])
	return func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return first(srv, ss, info, func(srv any, ss grpc.ServerStream) error {
			return rest(srv, ss, info, handler)
		})
	}
}
