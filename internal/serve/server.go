package serve

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/internal/transport/nethttp"
)

// Config is what a Server is made of. It is not changed after New.
type Config struct {
	Env     *server.Env
	Methods map[string]*server.Method // by path
	// Services are the names of services, for texts that tell an unknown method from an unknown
	// service.
	Services map[string]bool
	// Unknown runs calls of paths that are not in Methods; nil: UNIMPLEMENTED.
	Unknown *server.Method
	// HTTP serves what is not gRPC; nil: 415.
	HTTP http.Handler
	// Web makes calls of requests in the web's protocols; nil: it is off.
	Web    Web
	HTTP2  http2.ServerConfig
	Logger *slog.Logger
	// MaxHandlers is how many handlers of one connection may run at a time.
	MaxHandlers int
	// MaxRunning is how many handlers may run at a time on the server, 0: any number.
	MaxRunning int
	// MaxConns and MaxConnsPerAddress bound the connections open at a time, 0: not.
	MaxConns, MaxConnsPerAddress int
}

// Web is other protocols than gRPC's, whose requests become calls.
type Web interface {
	// Accepts reports whether a request is one of the protocols', by what its head says. header
	// returns the first field of a name, "" if there is none.
	Accepts(method, target string, header func(name string) string) bool
	// Stream makes a call of a request and hands it to calls. It returns nil if the request is none
	// of the protocols'.
	Stream(s transport.ServerStream, head *transport.RequestHead, end bool, calls transport.ServerHandler) transport.Sink
}

// ErrClosed is returned by Serve and InProcess if Shutdown or Close was called before.
var ErrClosed = errors.New("naru: the server was closed (Shutdown or Close)")

// conn is what the server needs of a transport's server connection.
type conn interface {
	Drain(reason string)
	Close(err *transport.Error)
	Done() <-chan struct{}
}

// A Server accepts connections and runs calls.
type Server struct {
	// immutable after New
	cfg     *Config
	workers *workers
	http1   *http1Server
	mounted *nethttp.Server
	stopped chan struct{} // closed when Shutdown or Close begins

	// atomic
	accepted atomic.Uint64

	admission admission // has a lock of its own
	ends      reason.Counter

	// guarded by mu
	mu         sync.Mutex
	listeners  map[net.Listener]struct{}
	conns      map[*connection]struct{}
	http1Conns int                // connections that net/http serves
	admitted   int                // connections that count against MaxConns
	byAddr     map[netip.Addr]int // of them, by address
	stopping   bool
	empty      chan struct{} // closed when stopping and the last connection is gone; nil until await
}

// New returns a server that serves nothing yet. It starts nothing.
func New(cfg *Config) *Server {
	s := &Server{
		cfg:       cfg,
		workers:   &workers{},
		stopped:   make(chan struct{}),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*connection]struct{}),
		byAddr:    make(map[netip.Addr]int),
	}
	if s.admission.limit = int64(cfg.MaxRunning); s.admission.limit <= 0 {
		s.admission.limit = math.MaxInt64
	}
	s.admission.quiet = make(chan struct{})
	s.cfg.HTTP2.Count = s.count
	s.mounted = s.newMounted()
	if cfg.HTTP != nil || cfg.Web != nil {
		s.http1 = newHTTP1(s, cfg.Logger)
		s.cfg.HTTP2.HTTP1 = s.http1.serve
	}
	return s
}

// OpenCalls returns how many calls run or wait for a worker.
func (s *Server) OpenCalls() int { return int(s.admission.open.Load()) }

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns) + s.http1Conns
}

// InProcess returns a new connection to this server without a network. responses is what the client
// accepts.
func (s *Server) InProcess(responses inproc.HeaderLimits) (*inproc.Conn, error) {
	c := newConnection(s)
	in := inproc.New(c, uint32(s.cfg.MaxHandlers), c.ConnDone)
	limits := s.cfg.HTTP2.Resolved()
	in.LimitHeaders(inproc.HeaderLimits{Size: limits.HeaderList, Fields: limits.HeaderFields}, responses)
	if !s.add(c, in) {
		in.Close(nil)
		return nil, ErrClosed
	}
	return in, nil
}

// add registers a connection, unless the server is stopping.
func (s *Server) add(c *connection, t conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	c.transport = t
	if !c.ended {
		s.conns[c] = struct{}{}
		s.workers.serving(len(s.conns))
	}
	return true
}

func (s *Server) remove(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ended = true // it may be over before add
	delete(s.conns, c)
	s.workers.serving(len(s.conns))
	s.dischargeLocked(c)
	s.emptyLocked()
}

func (s *Server) emptyLocked() {
	if s.empty != nil && len(s.conns) == 0 {
		close(s.empty)
		s.empty = nil
	}
}

// stop begins the end: no listener, no new connection. It returns the connections there are.
func (s *Server) stop() []*connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.stopping = true
		close(s.stopped)
		for l := range s.listeners {
			_ = l.Close() // nothing to save: no more connections is what is wanted
		}
	}
	conns := make([]*connection, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	return conns
}

// Shutdown drains: it closes the listeners, tells every connection to take no new streams, and
// waits until the last call has ended. When ctx ends first, it closes what is left and returns
// ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	conns := s.stop()
	for _, c := range conns {
		c.drain("the server is shutting down")
	}
	if s.http1 != nil {
		// Its connections are not ours: it has a Shutdown of its own, which ctx bounds as well. It
		// runs beside ours, as its requests count among the handlers that are waited for.
		ended := make(chan struct{}) // closed when it has returned
		go func() {
			defer close(ended)
			s.http1.shutdown(ctx)
		}()
		defer func() { <-ended }()
	}
	err := s.await(ctx)
	if err != nil {
		s.closeConns()
	}
	s.workers.close()
	return err
}

// await waits for the connections and then for handlers that have outlived their calls.
func (s *Server) await(ctx context.Context) error {
	s.mu.Lock()
	empty := s.empty
	if empty == nil {
		empty = make(chan struct{})
		s.empty = empty
		s.emptyLocked()
	}
	s.mu.Unlock()
	select {
	case <-empty:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-s.admission.idle():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Server) closeConns() {
	for _, c := range s.stop() {
		c.close("the server was closed")
	}
}

// Close ends everything now: listeners, connections, and with them the contexts of running
// handlers. It does not wait for the handlers.
func (s *Server) Close() error {
	s.closeConns()
	if s.http1 != nil {
		s.http1.close()
	}
	s.workers.close()
	return nil
}
