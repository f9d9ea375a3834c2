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

// newHTTP1 gives net/http the limits of the HTTP/2 side: on connections, whose count they are part
// of, on the time for a header and on its size. A body is as long as its handler reads
// (http.MaxBytesReader), and no more of it is held.
func newHTTP1(s *Server, logger *slog.Logger) *http1Server {
	limits := s.cfg.HTTP2.Resolved()
	return &http1Server{
		owner: s,
		server: &http.Server{
			Handler: admitted{s},
			ConnContext: func(ctx context.Context, nc net.Conn) context.Context {
				return context.WithValue(ctx, http1Key{}, nc.(*countedConn).of)
			},
			// A peer that has begun and does not go on is not waited for.
			ReadHeaderTimeout: limits.HeaderTimeout,
			MaxHeaderBytes:    int(limits.HeaderListHard),
			IdleTimeout:       2 * time.Minute,
			ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		},
		conns: &handOver{conns: make(chan net.Conn), closed: make(chan struct{})},
	}
}

// http1Key finds the connection of a request in its context.
type http1Key struct{}

// admitted runs a handler when the server's limit of handlers allows, as for requests of HTTP/2.
// Requests that are calls take their turn as calls: with two turns for each, calls would wait for
// themselves.
type admitted struct{ *Server }

// ServeHTTP implements http.Handler.
func (a admitted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if len(r.TransferEncoding) > 0 {
		// RFC 9112 §6.1, of a request with both Transfer-Encoding and Content-Length: "the server
		// MUST close the connection after responding to such a request to avoid the potential
		// attacks". net/http does not tell these from others in chunks.
		w.Header().Set("Connection", "close")
	}
	if a.isCall(r) {
		a.Server.ServeHTTP(w, r)
		return
	}
	c := r.Context().Value(http1Key{}).(*connection)
	t := &http1Task{turn: make(chan struct{})}
	c.begin(t)
	select {
	case <-t.turn:
	case <-r.Context().Done():
		if c.withdraw(t) {
			return // the response is not waited for
		}
		<-t.turn // it is on its way
	}
	defer c.finished()
	a.Server.ServeHTTP(w, r)
}

// An http1Task is the turn of a request whose goroutine is net/http's.
type http1Task struct{ turn chan struct{} } // closed when it has come

// Run implements Task.
func (t *http1Task) Run() { close(t.turn) }

// serve takes a connection over.
func (s *http1Server) serve(nc net.Conn) {
	counted := &countedConn{Conn: nc, of: &connection{server: s.owner}}
	if !s.owner.admitHTTP1(counted.of, nc) {
		_ = nc.Close() // refused before anything was exchanged
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
