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
	owner  *Server
	server *http.Server
	conns  *handOver
	start  sync.Once
}

// newHTTP1 gives net/http the limits of the HTTP/2 side: on connections, whose count they are part of, on
// the time for a header and on its size. A body is as long as its handler reads (http.MaxBytesReader),
// and no more of it is held.
func newHTTP1(s *Server, h http.Handler, logger *slog.Logger) *http1Server {
	limits := s.cfg.HTTP2.Resolved()
	return &http1Server{
		owner: s,
		server: &http.Server{
			Handler: h,
			// A peer that has begun and does not go on is not waited for.
			ReadHeaderTimeout: limits.HeaderTimeout,
			MaxHeaderBytes:    int(limits.HeaderListHard),
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
		conns: &handOver{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
}

// serve takes a connection over.
func (s *http1Server) serve(nc net.Conn) {
	counted := &countedConn{Conn: nc, of: &connection{server: s.owner}}
	if !s.owner.admitHTTP1(counted.of, nc) {
		_ = nc.Close() // refused: there is nobody to tell yet
		return
	}
	nc = counted
	s.start.Do(func() { go func() { _ = s.server.Serve(s.conns) }() }) // always http.ErrServerClosed
	s.conns.addr.CompareAndSwap(nil, addrOf(nc))
	select {
	case s.conns.conns <- nc:
	case <-s.conns.closed:
		_ = nc.Close() // the server is stopping
	}
}

// countedConn is a connection that counts as one of the server's until it is closed.
type countedConn struct {
	net.Conn
	of   *connection
	once sync.Once
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.of.server.removeHTTP1(c.of) })
	return c.Conn.Close()
}

func (s *http1Server) shutdown(ctx context.Context) {
	if s.server.Shutdown(ctx) != nil {
		s.close()
	}
}

func (s *http1Server) close() { _ = s.server.Close() } // its listener has nothing that fails
