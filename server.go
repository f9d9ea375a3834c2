package naru

import (
	"context"
	"net"

	"github.com/naru-rpc/naru/metadata"
)

// Server serves gRPC.
type Server struct{}

func NewServer(opts ...ServerOption) (*Server, error)                   { panic("BUG: skeleton") }
func (s *Server) RegisterService(desc *ServiceDesc)                     { panic("BUG: skeleton") }
func (s *Server) Services() []*ServiceDesc                              { panic("BUG: skeleton") }
func (s *Server) Serve(lis net.Listener) error                          { panic("BUG: skeleton") } // nil after Shutdown or Close
func (s *Server) ListenAndServe(ctx context.Context, addr string) error { panic("BUG: skeleton") } // drains when ctx ends
func (s *Server) Shutdown(ctx context.Context) error                    { panic("BUG: skeleton") }
func (s *Server) Close() error                                          { panic("BUG: skeleton") }

// In handlers of any kind.
func SetHeader(ctx context.Context, md metadata.MD) error  { panic("BUG: skeleton") }
func SendHeader(ctx context.Context, md metadata.MD) error { panic("BUG: skeleton") }
func SetTrailer(ctx context.Context, md metadata.MD) error { panic("BUG: skeleton") }
func Draining(ctx context.Context) <-chan struct{}         { panic("BUG: skeleton") } // closed when server or connection drains
