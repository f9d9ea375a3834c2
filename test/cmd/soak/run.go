package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/faultnet"
)

var quiet = naru.WithLogger(slog.New(slog.DiscardHandler))

// A soak is the state of a run.
type soak struct {
	servers []*server // immutable: one in plaintext, one with TLS
	end     time.Time // immutable

	// held for reading during each call: who has it all sees a moment without calls
	calling sync.RWMutex

	// atomic
	calls    atomic.Int64
	failed   atomic.Int64 // for reasons that the faults explain
	messages atomic.Int64

	mu     sync.Mutex
	rng    *rand.Rand // guarded by mu
	broken error      // first thing that must not be; guarded by mu
}

// A server is one that serves.
type server struct {
	*naru.Server
	addr   string
	client *tls.Config // nil: plaintext
	served chan error  // capacity 1: how Serve ended
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

// settings are a run's.
type settings struct {
	length, every, quiet time.Duration
	seed                 uint64
	callers              int
	profiles             string // folder; empty: none
}

func run(o settings) error {
	s := &soak{end: time.Now().Add(o.length), rng: rand.New(rand.NewPCG(o.seed, 1))}
	if err := s.start(); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for range o.callers {
		wg.Go(s.caller)
	}
	w := watch{soak: s, settings: o}
	w.run()
	wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, srv := range s.servers {
		if err := srv.Shutdown(ctx); err != nil {
			s.wrong("shutdown at the end: %w", err)
		}
		if err := <-srv.served; err != nil {
			s.wrong("serve: %w", err)
		}
	}
	w.last()
	return s.broken
}

// start starts the servers.
func (s *soak) start() error {
	ca, err := devcert.NewAuthority("soak", 30*24*time.Hour)
	if err != nil {
		return err
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		return err
	}
	plain, err1 := serve(nil)
	secret, err2 := serve(ca.ClientConfig(), naru.WithTLS(cert.ServerConfig()))
	s.servers = []*server{plain, secret}
	return errors.Join(err1, err2)
}

func serve(client *tls.Config, opts ...naru.ServerOption) (*server, error) {
	srv, err := naru.NewServer(append(opts, quiet, naru.WithKeepalive(naru.Keepalive{MaxConnectionAge: 5 * time.Second, MaxConnectionAgeGrace: 2 * time.Second}))...)
	if err != nil {
		return nil, err
	}
	benchpbnaru.RegisterEchoServer(srv, handlers{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{Server: srv, addr: lis.Addr().String(), client: client, served: make(chan error, 1)}
	go func() { s.served <- srv.Serve(lis) }()
	return s, nil
}

// caller uses one client after the other: half on good networks, half on bad ones; half in
// plaintext.
func (s *soak) caller() {
	for !s.over() {
		bad, srv := s.n(2) == 0, s.servers[s.n(len(s.servers))]
		secure := naru.WithPlaintext()
		if srv.client != nil {
			secure = naru.WithTLS(srv.client)
		}
		c, err := naru.NewClient("passthrough:///"+srv.addr, secure, quiet, naru.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
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
			s.calling.RLock()
			s.call(echo, bad)
			s.calling.RUnlock()
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
