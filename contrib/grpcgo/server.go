package grpcgo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/naru-rpc/naru"
	"google.golang.org/grpc"
)

// Server is a server with the methods of grpc.Server that programs use, served by naru. Safe for
// concurrent use.
type Server struct {
	*Registrar
	wait bool // Stop waits for handlers
}

// NewServer returns a server with the options of a grpc.Server. It panics if an option cannot be
// carried over, as grpc.NewServer does for options that exclude each other; [MakeServer] returns
// the reason as an error.
//
// What follows from grpc-go's defaults and is different with naru: 256 concurrent streams of a
// connection, unless MaxConcurrentStreams says otherwise; 16 KiB of request metadata
// (MaxHeaderListSize); panics of handlers end their call and not the process.
func NewServer(opts ...grpc.ServerOption) *Server {
	s, err := MakeServer(opts...)
	if err != nil {
		panic(err)
	}
	return s
}

// MakeServer is NewServer with an error, which names every option that cannot be carried over and
// what to do about it.
func MakeServer(opts ...grpc.ServerOption) (*Server, error) {
	o, err := readServerOptions(opts)
	if err != nil {
		return nil, err
	}
	if len(o.stats) > 0 {
		o.add(naru.WithInterceptors(statsInterceptor(o.stats)))
	}
	r := &Registrar{unary: o.unary, stream: o.stream, services: make(map[string]grpc.ServiceInfo)}
	r.insecure, r.counted = o.insecureInfo, len(o.stats) > 0
	if o.wait {
		r.handlers = new(sync.WaitGroup)
	}
	if d := o.unknown; d != nil {
		o.add(naru.WithUnknownServiceHandler(func(method string, s naru.ServerStream) error {
			return r.serveStream(s, d.Handler, nil, &grpc.StreamServerInfo{FullMethod: method, IsClientStream: true, IsServerStream: true})
		}))
	}
	for _, opt := range opts {
		if own, ok := opt.(serverOptionsOfNaru); ok {
			o.naru = append(o.naru, own.opts...)
		}
	}
	if r.server, err = naru.NewServer(o.naru...); err != nil {
		return nil, fmt.Errorf("grpcgo: %w", err)
	}
	return &Server{Registrar: r, wait: o.wait}, nil
}

// NaruServerOptions returns an option for NewServer that holds options of naru. They come after
// those of grpc-go. A server of grpc-go ignores it.
func NaruServerOptions(opts ...naru.ServerOption) grpc.ServerOption {
	return serverOptionsOfNaru{opts: opts}
}

type serverOptionsOfNaru struct {
	grpc.EmptyServerOption
	opts []naru.ServerOption
}

// Serve accepts connections on lis until Stop or GracefulStop, closes lis, and returns nil then, as
// grpc.Server does. On a server that was stopped before it returns grpc.ErrServerStopped.
func (s *Server) Serve(lis net.Listener) error {
	err := s.server.Serve(lis)
	if errors.Is(err, naru.ErrServerClosed) {
		return grpc.ErrServerStopped
	}
	return err
}

// GracefulStop ends the server when the last call has ended. It may be cut short by Stop.
func (s *Server) GracefulStop() {
	_ = s.server.Shutdown(context.Background()) // it fails if Stop has cut it short
}

// Stop closes listeners and connections, which ends the contexts of running handlers. It waits for
// the handlers if the server has the option grpc.WaitForHandlers.
func (s *Server) Stop() {
	_ = s.server.Close() // always nil
	if s.handlers != nil {
		s.handlers.Wait()
	}
}
