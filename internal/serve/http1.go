package serve

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// http1Server serves connections that speak HTTP/1.1 with net/http.
type http1Server struct {
	server *http.Server
	conns  *handOver
	start  sync.Once
}

func newHTTP1(h http.Handler, logger *slog.Logger) *http1Server {
	return &http1Server{
		server: &http.Server{
			Handler: h,
			// As the HTTP/2 side: a peer that has begun and does not go on is not waited for.
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
		conns: &handOver{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
}

// serve takes a connection over.
func (s *http1Server) serve(nc net.Conn) {
	s.start.Do(func() { go func() { _ = s.server.Serve(s.conns) }() }) // always http.ErrServerClosed
	s.conns.addr.CompareAndSwap(nil, addrOf(nc))
	select {
	case s.conns.conns <- nc:
	case <-s.conns.closed:
		_ = nc.Close() // the server is stopping
	}
}

func (s *http1Server) shutdown(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		s.close()
	}
}

func (s *http1Server) close() { _ = s.server.Close() } // its listener has nothing that fails
