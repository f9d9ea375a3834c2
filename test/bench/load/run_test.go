package load

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/test/bench/echo"
)

var impls = []echo.Impl{echo.Naru, echo.GRPCGo, echo.Connect}

// serve starts an echo server and returns n clients of it.
func serve(t *testing.T, impl echo.Impl, n int, secure bool) []echo.Client {
	t.Helper()
	serverTLS, err := echo.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	clientTLS := echo.ClientTLS()
	if !secure {
		serverTLS, clientTLS = nil, nil
	}
	srv, err := echo.NewServer(impl, serverTLS)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Errorf("%s: Serve: %v", impl, err)
		}
	})
	var clients []echo.Client
	for range n {
		c, err := echo.NewClient(impl, lis.Addr().String(), clientTLS)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		clients = append(clients, c)
	}
	return clients
}

func TestEveryModeOnEveryStack(t *testing.T) {
	for _, impl := range impls {
		for _, mode := range Modes {
			t.Run(string(impl)+"/"+string(mode), func(t *testing.T) {
				clients := serve(t, impl, 2, mode == Server)
				cfg := Config{Mode: mode, Callers: 3, Size: 1000, Calls: 200, Duration: time.Minute}
				if mode == Idle {
					cfg.Duration = time.Millisecond
				}
				res, err := Run(t.Context(), clients, cfg)
				if err != nil {
					t.Fatal(err)
				}
				if res.Errors > 0 || (res.Calls == 0) != (mode == Idle) {
					t.Errorf("%d calls, %d errors, the first %q: want calls and no errors", res.Calls, res.Errors, res.FirstError)
				}
				timed := mode == Unary || mode == PingPong || mode == Pipe
				if timed && (res.Latency.P50 <= 0 || res.Latency.P99 > res.Latency.Max) {
					t.Errorf("latencies make no sense: %+v", res.Latency)
				}
			})
		}
	}
}

func TestOpenLoopKeepsItsRate(t *testing.T) {
	clients := serve(t, echo.GRPCGo, 1, false)
	const rate, calls = 500, 200
	began := time.Now()
	res, err := Run(t.Context(), clients, Config{Mode: Unary, Callers: 20, Rate: rate, Calls: calls, Duration: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	// 0.4 s of schedule, drawn from a fixed seed. A slow machine takes longer, none is faster.
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("%d calls at %d/s took %v", calls, rate, took)
	}
	if res.Errors > 0 || res.Calls < calls {
		t.Errorf("%d calls, %d errors (%s): want %d and none", res.Calls, res.Errors, res.FirstError, calls)
	}
}

func TestBesideRunsToo(t *testing.T) {
	clients := serve(t, echo.GRPCGo, 1, false)
	// At a rate: a hundred calls as fast as they go are over before the stream has begun on a busy
	// machine.
	res, err := Run(t.Context(), clients, Config{Mode: Unary, Callers: 4, Size: 100, Beside: 100_000,
		Rate: 200, Calls: 100, Duration: time.Minute})
	if err != nil || res.Errors > 0 || res.Calls == 0 || res.BesideMegabytesPerSecond == 0 {
		t.Fatalf("%+v, %v: want calls, a stream beside them, and no errors", res, err)
	}
}

func TestFailuresAreReported(t *testing.T) {
	clients := serve(t, echo.GRPCGo, 1, false)
	// 5 MB is more than a server takes by default.
	res, err := Run(t.Context(), clients, Config{Mode: Unary, Callers: 1, Size: 5_000_000, Duration: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if res.Errors == 0 || !strings.Contains(res.FirstError, "ResourceExhausted") {
		t.Errorf("%d errors, first %q: want some with ResourceExhausted", res.Errors, res.FirstError)
	}
}

func TestBadConfigs(t *testing.T) {
	good := Config{Mode: Unary, Callers: 1, Duration: 1}
	for want, change := range map[string]func(*Config){
		"mode":     func(c *Config) { c.Mode = "binary" },
		"callers":  func(c *Config) { c.Callers = 0 },
		"sizes":    func(c *Config) { c.Size = -1 },
		"duration": func(c *Config) { c.Duration = 0 },
		"rate":     func(c *Config) { c.Mode, c.Rate = Pipe, 5 },
		"depth":    func(c *Config) { c.Depth = -1 },
	} {
		c := good
		change(&c)
		if err := c.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one about %s", err, want)
		}
	}
	if err := good.check(); err != nil {
		t.Errorf("good configuration refused: %v", err)
	}
}
