package main

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/faultnet"
)

var quiet = naru.WithLogger(slog.New(slog.DiscardHandler))

// A soak is the state of a run.
type soak struct {
	addr string
	end  time.Time

	// atomic
	calls    atomic.Int64
	failed   atomic.Int64 // for reasons that the faults explain
	messages atomic.Int64

	mu     sync.Mutex
	rng    *rand.Rand // guarded by mu
	broken error      // first thing that must not be; guarded by mu
}

func (s *soak) n(most int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(most)
}

// wrong notes what must not be.
func (s *soak) wrong(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = fmt.Errorf(format, args...)
	}
}

func (s *soak) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != nil || time.Now().After(s.end)
}

func run(length, every time.Duration, seed uint64, callers int) error {
	srv, err := naru.NewServer(quiet, naru.WithMaxConnectionAge(5*time.Second, 2*time.Second))
	if err != nil {
		return err
	}
	benchpbnaru.RegisterEchoServer(srv, handlers{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- srv.Serve(lis) }()
	s := &soak{addr: lis.Addr().String(), end: time.Now().Add(length), rng: rand.New(rand.NewPCG(seed, 1))}
	var wg sync.WaitGroup
	for range callers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			s.caller()
		}()
	}
	w := watch{soak: s, srv: srv}
	w.run(every)
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		s.wrong("shutdown at the end: %w", err)
	}
	if err := <-served; err != nil {
		s.wrong("serve: %w", err)
	}
	w.last()
	return s.broken
}

// caller uses one client after the other: half on good networks, half on bad ones.
func (s *soak) caller() {
	for !s.over() {
		bad := s.n(2) == 0
		c, err := naru.NewClient("passthrough:///"+s.addr, naru.WithPlaintext(), quiet, naru.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			return s.dial(ctx, network, addr, bad)
		}))
		if err != nil {
			s.wrong("new client: %w", err)
			return
		}
		echo := benchpbnaru.NewEchoClient(c)
		for range 1 + s.n(200) {
			if s.over() {
				break
			}
			s.call(echo, bad)
		}
		_ = c.Close()
	}
}

// dial makes a connection that, on a bad network, breaks, or is slow.
func (s *soak) dial(ctx context.Context, network, addr string, bad bool) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, addr)
	if err != nil || !bad {
		return nc, err
	}
	r := faultnet.Good
	switch s.n(3) {
	case 0:
		r.CutRead = s.n(1 << 20)
	case 1:
		r.CutWrite = s.n(1 << 20)
	case 2:
		r.Piece, r.Delay = 1+s.n(2000), time.Duration(s.n(int(2*time.Millisecond)))
	}
	return faultnet.New(nc, r), nil
}

// outcome looks at how a call ended: on a good network only cancelled calls may fail.
func (s *soak) outcome(what string, err error, bad, impatient bool) {
	s.calls.Add(1)
	if err == nil {
		return
	}
	s.failed.Add(1)
	switch code := status.Code(err); {
	case code == codes.Unavailable && bad:
	case (code == codes.DeadlineExceeded || code == codes.Canceled) && (impatient || bad):
	case code == codes.Unavailable && what == "stream":
		// Streams that outlive their connection's age and grace are cut off.
	default:
		s.wrong("%s on a network that is bad %t, with little patience %t: %w", what, bad, impatient, err)
	}
}
