package narutest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
)

// drain is how long calls still running at the end of a test may take before they are cut off.
const drain = 5 * time.Second

// A Server is a naru server on a network in memory, for one test.
type Server struct {
	// Server is the server itself, for instance to shut it down in mid-test.
	*naru.Server
	t       testing.TB
	network *Network
}

// address is the name the server listens under, and the authority of calls to it.
const address = "narutest"

// NewServer starts a server with the services register adds. It is shut down when the test
// ends, clients first; calls that are still running then get 5 seconds. The server logs to the
// test's output, unless options give it another logger. Mistakes end the test.
func NewServer(t testing.TB, register func(*naru.Server), opts ...naru.ServerOption) *Server {
	t.Helper()
	opts = append([]naru.ServerOption{naru.WithLogger(Logger(t))}, opts...)
	srv, err := naru.NewServer(opts...)
	if err != nil {
		t.Fatalf("narutest: %v", err)
	}
	register(srv)
	s := &Server{Server: srv, t: t, network: NewNetwork()}
	lis, err := s.network.Listen(address)
	if err != nil {
		t.Fatalf("narutest: %v", err)
	}
	served := make(chan error, 1) // 1: its sender must not wait for a test that failed
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		// Not t.Context, which has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), drain)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("narutest: calls were still running %v after the test: %v", drain, err)
		}
		if err := <-served; err != nil && err != naru.ErrServerClosed { // a test may end before Serve begins
			t.Errorf("narutest: serve: %v", err)
		}
	})
	return s
}

// Client returns a new client of the server, over plaintext. It is closed when the test ends.
// Options may change everything but the dialer.
func (s *Server) Client(opts ...naru.ClientOption) *naru.Client {
	s.t.Helper()
	all := []naru.ClientOption{naru.WithPlaintext(), naru.WithLogger(Logger(s.t))}
	all = append(append(all, opts...), naru.WithDialer(s.network.Dial))
	c, err := naru.NewClient("passthrough:///"+address, all...)
	if err != nil {
		s.t.Fatalf("narutest: %v", err)
	}
	s.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			s.t.Errorf("narutest: close client: %v", err)
		}
	})
	return c
}

// Serve starts a server with the services register adds and returns a client of it. Both end with
// the test. Options are the server's; those that a client may have too, such as codecs,
// interceptors and limits, are the client's as well. With NewServer and Server.Client each side has
// options of its own. See [NewServer] for more.
func Serve(t testing.TB, register func(naru.ServiceRegistrar), opts ...naru.ServerOption) *naru.Client {
	t.Helper()
	var forClient []naru.ClientOption
	for _, o := range opts {
		if both, ok := o.(naru.ClientOption); ok {
			forClient = append(forClient, both)
		}
	}
	return NewServer(t, func(s *naru.Server) { register(s) }, opts...).Client(forClient...)
}

// Logger returns a logger whose lines are part of t's output, shown when t fails or with -v.
// Lines logged after t has ended are dropped: the testing package panics on them.
func Logger(t testing.TB) *slog.Logger {
	w := &testWriter{t: t}
	t.Cleanup(w.end)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type testWriter struct {
	mu sync.Mutex
	t  testing.TB // guarded by mu; nil when the test has ended
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.t != nil {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}

func (w *testWriter) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.t = nil
}
