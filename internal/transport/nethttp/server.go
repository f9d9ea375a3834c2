package nethttp

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/naru-rpc/naru/internal/transport"
)

// Config is what a Server goes by. It is read only.
type Config struct {
	// Open is called for the first request of a connection and returns what its streams go to; nil:
	// no more calls are taken.
	Open func(c *Conn) transport.ServerHandler
	// Closed is called, with what Open returned, when the last request on a Conn has ended. Another
	// Conn takes its place if the connection has more.
	Closed func(h transport.ServerHandler)
	// Refuse answers a request that came when no more calls were taken.
	Refuse func(w http.ResponseWriter, r *http.Request)
	// HeaderList and HeaderFields bound the header section of a request, as in package http2. 0: no
	// limit.
	HeaderList, HeaderFields uint32
	// StreamWindow, MaxStreamWindow and ReceiveMemory bound what is held of requests, see
	// flow.Config. 0: the defaults of HTTP/2 connections.
	StreamWindow, MaxStreamWindow, ReceiveMemory int32
	// ZeroWindow is how long a finished response may make no progress.
	ZeroWindow time.Duration
	// Backlog is how many bytes of finished responses may wait before no new call of the connection
	// is begun.
	Backlog int
	// Memory is what all connections hold.
	Memory *Memory
	// Count is told of every stream that a rule of this side's transport ended. It must not block.
	Count func(*transport.ConnInfo, *transport.Error)
}

// A Server makes streams of requests. Safe for concurrent use.
type Server struct {
	cfg Config // immutable

	// guarded by mu
	mu    sync.Mutex
	conns map[connKey]*Conn
}

// New returns a Server.
func New(cfg Config) *Server {
	orDefault(&cfg.StreamWindow, 80<<10)
	orDefault(&cfg.MaxStreamWindow, 4<<20)
	orDefault(&cfg.ReceiveMemory, 16<<20)
	return &Server{cfg: cfg, conns: make(map[connKey]*Conn)}
}

func orDefault(p *int32, v int32) {
	if *p == 0 {
		*p = v
	}
}

// connKey identifies a connection of net/http's while it is open: its local address is a pointer
// that net makes for each.
type connKey struct {
	local  net.Addr
	remote string
}

// keyOf returns the key of the connection r came on, and false if it has none: wrapped and
// in-memory connections may all have the same addresses.
func keyOf(r *http.Request) (connKey, bool) {
	switch local := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.TCPAddr:
		return connKey{local, r.RemoteAddr}, local != nil
	case *net.UnixAddr:
		return connKey{local, r.RemoteAddr}, local != nil
	}
	return connKey{}, false
}

// ServeHTTP serves r as a stream. It panics with http.ErrAbortHandler, as net/http wants it, when
// the response was cut off.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	st := s.begin(w, r)
	if st == nil {
		s.cfg.Refuse(w, r)
		return
	}
	defer s.end(st)
	if r.ProtoMajor < 2 {
		// By default net/http reads the rest of a request before it writes a response. A writer
		// that cannot do both is one of a user's own, and may be able to.
		_ = st.rc.EnableFullDuplex()
	}
	if !st.serve(r) {
		panic(http.ErrAbortHandler)
	}
}

// begin makes a stream of a request, nil if no more are taken.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) *stream {
	key, known := keyOf(r)
	s.mu.Lock()
	c := s.conns[key]
	if c == nil {
		c = newConn(s, r)
		if c.handler = s.cfg.Open(c); c.handler == nil {
			s.mu.Unlock()
			s.cfg.Memory.remove(c)
			return nil
		}
		if known {
			c.key, c.keyed = key, true
			s.conns[key] = c
		}
	}
	st := c.newStream(w, r)
	unused := st == nil && !c.inUse() // drained before its first request
	if unused {
		s.dropLocked(c)
	}
	s.mu.Unlock()
	if unused {
		c.finish()
	}
	return st
}

// end forgets a stream, and its connection with the last one.
func (s *Server) end(st *stream) {
	st.retire()
	c := st.conn
	s.mu.Lock()
	last := c.remove(st)
	if last {
		s.dropLocked(c)
	}
	s.mu.Unlock()
	if last {
		c.finish()
	}
}

func (s *Server) dropLocked(c *Conn) {
	if c.keyed && s.conns[c.key] == c {
		delete(s.conns, c.key)
	}
}

// remoteAddr is the peer's address as net/http, or a handler around this one, gives it.
func remoteAddr(text string) net.Addr {
	if host, port, err := net.SplitHostPort(text); err == nil {
		if a, err := netipAddrPort(host, port); err == nil {
			return net.TCPAddrFromAddrPort(a)
		}
	}
	return textAddr(text)
}

func localAddr(ctx context.Context) net.Addr {
	if a, ok := ctx.Value(http.LocalAddrContextKey).(net.Addr); ok {
		return a
	}
	return textAddr("")
}

// textAddr is an address that is only known as text.
type textAddr string

// Network returns "http".
func (textAddr) Network() string { return "http" }

// String returns the text.
func (a textAddr) String() string { return string(a) }
