package naru

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/naru-rpc/naru/internal/serve"
)

// Server serves gRPC. Its methods are safe for concurrent use.
//
// Register services first, then call ListenAndServe or ServeContext, or Serve, once for each
// listener.
type Server struct {
	// immutable after NewServer
	cfg *serverConfig

	// guarded by mu
	mu       sync.Mutex
	services []*ServiceDesc
	errs     []error       // mistakes of RegisterService
	core     *serve.Server // made by the first Serve, Shutdown or in-process client
	coreErr  error
}

// NewServer returns a server. The error names every option that is wrong.
func NewServer(opts ...ServerOption) (*Server, error) {
	cfg, err := newServerConfig(opts)
	if err != nil {
		return nil, err
	}
	return &Server{cfg: cfg}, nil
}

// RegisterService implements ServiceRegistrar. The descriptor must not be changed afterwards.
func (s *Server) RegisterService(desc *ServiceDesc) {
	if s == nil {
		panic("naru: RegisterService: the server is nil; make it with naru.NewServer, and check the error that it returns")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case desc == nil:
		s.errs = append(s.errs, fmt.Errorf("naru: register service: the descriptor is nil"))
		return
	case s.core != nil:
		s.errs = append(s.errs, fmt.Errorf("naru: register service %s: the server is serving already", desc.Name))
		s.cfg.logger.Error("naru: service registered too late", "service", desc.Name)
		return
	}
	s.services = append(s.services, desc)
}

// Services returns the services registered, in order.
func (s *Server) Services() []*ServiceDesc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.services)
}

// String describes the server for people: services, and interceptors in the order they run.
func (s *Server) String() string {
	var b strings.Builder
	b.WriteString("naru server\n")
	for _, d := range s.Services() {
		fmt.Fprintf(&b, "  service %s (%d methods)\n", d.Name, len(d.Methods))
	}
	describeChain(&b, s.cfg.interceptors)
	return strings.TrimSuffix(b.String(), "\n")
}

// Serve accepts connections on lis until Shutdown or Close, and closes lis. It may run for several
// listeners at a time. It returns nil when Shutdown or Close ends it, [ErrServerClosed] if one of
// them was called before it, an error that names every mistake of RegisterService before anything
// is served, or why lis cannot accept any more; for want of file descriptors and the like it waits
// and goes on.
func (s *Server) Serve(lis net.Listener) error {
	core, err := s.start()
	if err != nil {
		_ = lis.Close() // the mistake is what has to be told
		return err
	}
	if err = core.Serve(lis); err != nil && err != ErrServerClosed {
		return fmt.Errorf("naru: serve: %w", err)
	}
	return err
}

// ErrServerClosed is returned by Serve, ServeContext, ListenAndServe, Run and InProcess if Shutdown
// or Close was called before: the server serves nothing any more, and another one is needed. A
// Serve that runs when they are called returns nil.
var ErrServerClosed = serve.ErrClosed

// ListenAndServe listens on addr, which is as for [Listen], and serves as ServeContext does.
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	if _, err := s.start(); err != nil {
		return err
	}
	lis, err := Listen(addr)
	if err != nil {
		return err
	}
	return s.ServeContext(ctx, lis)
}

// ServeContext serves on lis, and closes it, until ctx ends, then drains as Shutdown does for at
// most the time of WithDrainTimeout. It returns nil after a complete drain, also one that Shutdown
// began, [ErrServerClosed] if Shutdown or Close was called before, and otherwise why it could not
// serve or that calls were cut off.
func (s *Server) ServeContext(ctx context.Context, lis net.Listener) error {
	return s.serveUntil(ctx, lis, func() {})
}

// serveUntil serves until ctx ends, calls draining, and drains.
func (s *Server) serveUntil(ctx context.Context, lis net.Listener, draining func()) error {
	served := make(chan error, 1) // capacity 1: Serve may outlive the interest in its result
	go func() { served <- s.Serve(lis) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	draining()
	drain, cancel := context.WithoutCancel(ctx), context.CancelFunc(func() {})
	if s.cfg.drain > 0 {
		drain, cancel = context.WithTimeout(drain, s.cfg.drain)
	}
	defer cancel()
	err := s.Shutdown(drain)
	<-served
	return err
}

// Shutdown ends the server without losing a call: it closes the listeners, tells every connection
// to take no new ones (GOAWAY), closes the channels of Draining, and waits until the last call has
// ended. When ctx ends first, it closes what is left, which ends the contexts of handlers that
// still run, and returns an error. It may be called more than once and beside Close.
func (s *Server) Shutdown(ctx context.Context) error {
	core := s.running()
	if core == nil {
		return nil
	}
	if err := core.Shutdown(ctx); err != nil {
		return fmt.Errorf("naru: shutdown: not all calls ended: %w", err)
	}
	return nil
}

// Close ends the server now: listeners, connections and the contexts of running handlers. It does
// not wait for the handlers, and always returns nil.
func (s *Server) Close() error {
	if core := s.running(); core != nil {
		return core.Close()
	}
	return nil
}

// OpenCalls returns how many calls run.
func (s *Server) OpenCalls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.core == nil {
		return 0
	}
	return s.core.OpenCalls()
}

// running returns the core, making one that serves nothing if there is none yet: a server that
// was shut down before it served must not serve after.
func (s *Server) running() *serve.Server {
	core, err := s.start()
	if err != nil {
		return nil
	}
	return core
}
