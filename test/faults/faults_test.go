package faults

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/faultnet"
	"github.com/naru-rpc/naru/test/internal/racing"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// echo counts how often its unary method ran.
type echo struct {
	benchpbnaru.UnimplementedEchoServer
	ran *atomic.Int64
}

func (e echo) Unary(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	e.ran.Add(1)
	return m, nil
}

func (e echo) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

// A world is a server and a client with a network between that keeps to a rule on its first
// connection and is good after.
type world struct {
	echo  benchpbnaru.EchoClient
	ran   atomic.Int64
	mu    sync.Mutex
	first *faultnet.Conn // guarded by mu
	dials int            // guarded by mu
	every bool           // the rule is for all connections
}

func run(t *testing.T, r faultnet.Rule, every bool, test func(t *testing.T, w *world)) {
	t.Helper()
	runOn(t, &memnet.Network{}, r, every, test)
}

func runOn(t *testing.T, network *memnet.Network, r faultnet.Rule, every bool, test func(t *testing.T, w *world)) {
	t.Helper()
	quiet := naru.WithLogger(slog.New(slog.DiscardHandler))
	w := &world{every: every}
	srv, err := naru.NewServer(quiet)
	if err != nil {
		t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(srv, echo{ran: &w.ran})
	lis, err := network.Listen("server")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- srv.Serve(lis) }()
	c, err := naru.NewClient("passthrough:///server", naru.WithPlaintext(), quiet,
		naru.WithDialer(func(ctx context.Context, network0, addr string) (net.Conn, error) {
			nc, err := network.Dial(ctx, addr)
			if err != nil {
				return nil, err
			}
			return w.spoil(nc, r), nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	w.echo = benchpbnaru.NewEchoClient(c)
	test(t, w)
	_ = c.Close()
	_ = srv.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func (w *world) spoil(nc net.Conn, r faultnet.Rule) net.Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials++
	if w.dials > 1 && !w.every {
		return nc
	}
	f := faultnet.New(nc, r)
	if w.first == nil {
		w.first = f
	}
	return f
}

// TestCutAtEveryByte records how many bytes a call takes and then makes it again with the
// connection cut after each of them, in both directions. The call succeeds (on another connection),
// or says UNAVAILABLE; it runs at most once; the client's next call succeeds.
func TestCutAtEveryByte(t *testing.T) {
	var read, written int
	synctest.Test(t, func(t *testing.T) {
		run(t, faultnet.Good, false, func(t *testing.T, w *world) {
			call(t, w)
			read, written = w.first.Counts()
		})
	})
	if read < 50 || written < 100 {
		t.Fatalf("a call took %d bytes in and %d out: nothing was recorded", read, written)
	}
	t.Logf("%d bytes read, %d written", read, written)
	outcomes := make(map[codes.Code]int)
	for n := range read {
		cutOnce(t, faultnet.Rule{CutRead: n, CutWrite: -1}, outcomes)
	}
	for n := range written {
		cutOnce(t, faultnet.Rule{CutRead: -1, CutWrite: n}, outcomes)
	}
	t.Logf("outcomes of %d calls: %v", read+written, outcomes)
	if outcomes[codes.Unavailable] == 0 || outcomes[codes.OK] == 0 {
		t.Errorf("outcomes %v: want calls that succeed elsewhere, and calls that cannot be repeated", outcomes)
	}
}

func cutOnce(t *testing.T, r faultnet.Rule, outcomes map[codes.Code]int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		run(t, r, false, func(t *testing.T, w *world) {
			begun := time.Now()
			err := call(t, w)
			code := status.Code(err)
			outcomes[code]++
			if code != codes.OK && code != codes.Unavailable {
				t.Errorf("%+v: the call ended with %v, want OK or UNAVAILABLE", r, err)
			}
			if n := w.ran.Load(); n > 1 || code == codes.OK && n != 1 {
				t.Errorf("%+v: the call ended with %v and ran %d times", r, code, n)
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("%+v: the call took %v to end", r, took)
			}
			if _, err := w.echo.Unary(t.Context(), &benchpb.Message{}, naru.WaitForReady(true)); err != nil {
				t.Errorf("%+v: the next call: %v", r, err)
			}
		})
	})
}

func call(t *testing.T, w *world) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	want := &benchpb.Message{Message: "through", Payload: make([]byte, 50)}
	got, err := w.echo.Unary(ctx, want, naru.WaitForReady(true))
	if err == nil && (got.GetMessage() != "through" || len(got.GetPayload()) != 50) {
		t.Errorf("the answer is %v, want what was sent", got)
	}
	return err
}

// TestPoorNetworks: calls, alone and many at once, and streams work over connections that give
// little at a time, late, and hold little on the way.
func TestPoorNetworks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		piece  int
		delay  time.Duration
		buffer int // bytes on the way in each direction; 0: 64 KiB
	}{
		{"one byte at a time", 1, 0, 0},
		{"seven bytes", 7, 0, 0},
		{"a second late", 0, time.Second, 0},
		{"100 KB a second", 1000, 10 * time.Millisecond, 0},
		{"a buffer of one byte", 0, 0, 1},
		{"a buffer of 100 bytes", 0, 0, 100},
		{"10 KB a second, a buffer of 100 bytes", 100, 10 * time.Millisecond, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rule := faultnet.Rule{CutRead: -1, CutWrite: -1, Piece: tt.piece, Delay: tt.delay}
				runOn(t, &memnet.Network{Buffer: tt.buffer}, rule, true, poor)
			})
		})
	}
}

func poor(t *testing.T, w *world) {
	if err := call(t, w); err != nil {
		t.Errorf("unary: %v", err)
	}
	poorCalls(t, w)
	s, err := w.echo.Bidi(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(20) {
		if err := s.Send(&benchpb.Message{Id: i, Payload: make([]byte, 2000)}); err != nil {
			t.Fatal(err)
		}
		m, err := s.Recv()
		if err != nil || m.GetId() != i || len(m.GetPayload()) != 2000 {
			t.Fatalf("message %d: %v, %v", i, m.GetId(), err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("the stream ended with %v, want EOF", err)
	}
}

// poorCalls makes calls at once, larger together than what is on the way.
func poorCalls(t *testing.T, w *world) {
	var calls sync.WaitGroup
	for i := range int64(30) {
		calls.Go(func() {
			m := &benchpb.Message{Id: i + 1, Payload: make([]byte, 5000)}
			got, err := w.echo.Unary(t.Context(), m)
			if err != nil || got.GetId() != i+1 || len(got.GetPayload()) != 5000 {
				t.Errorf("call %d of 30: %v, %v", i+1, got.GetId(), err)
			}
		})
	}
	calls.Wait()
	if n := w.ran.Load(); n != 31 {
		t.Errorf("31 calls ran %d times", n)
	}
}

// TestHalfOpen: the server's machine is gone and nothing tells the client so. With keepalive the
// call ends when the pings stay unanswered; without, at its deadline.
func TestHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{}
		lis, err := network.Listen("gone")
		if err != nil {
			t.Fatal(err)
		}
		defer lis.Close()
		c, err := naru.NewClient("passthrough:///gone", naru.WithPlaintext(), naru.WithDialer(network.DialContext),
			naru.WithKeepalive(naru.Keepalive{Interval: 10 * time.Second, Timeout: 5 * time.Second}), naru.WithLogger(slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			// Its SETTINGS come, then nothing: what the client sends is taken by nobody.
			_, _ = nc.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
			_, _ = io.Copy(io.Discard, nc)
		}()
		begun := time.Now()
		_, err = benchpbnaru.NewEchoClient(c).Unary(t.Context(), &benchpb.Message{})
		if status.Code(err) != codes.Unavailable || time.Since(begun) > 40*time.Second {
			t.Errorf("after %v: %v, want UNAVAILABLE within two keepalive intervals", time.Since(begun), err)
		}
	})
}

// TestMillionMessages sends a million messages on one stream and takes them back in order.
func TestMillionMessages(t *testing.T) {
	n := int64(1_000_000)
	if testing.Short() || racing.Enabled {
		n = 100_000
	}
	run(t, faultnet.Good, false, func(t *testing.T, w *world) {
		s, err := w.echo.Bidi(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1) // capacity 1: one result
		go func() {
			for i := range n {
				if err := s.Send(&benchpb.Message{Id: i + 1}); err != nil {
					sent <- err
					return
				}
			}
			sent <- s.CloseSend()
		}()
		for i := range n {
			m, err := s.Recv()
			if err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if m.GetId() != i+1 {
				t.Fatalf("message %d has number %d", i+1, m.GetId())
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != io.EOF {
			t.Errorf("the stream ended with %v, want EOF", err)
		}
	})
}
