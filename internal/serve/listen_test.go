package serve

import (
	"context"
	"errors"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/memnet"
)

// failing is a listener that fails as often as told before it works.
type failing struct {
	net.Listener
	mu    sync.Mutex
	fails []error
	times []time.Time
}

func (f *failing) Accept() (net.Conn, error) {
	f.mu.Lock()
	f.times = append(f.times, time.Now())
	if len(f.fails) > 0 {
		err := f.fails[0]
		f.fails = f.fails[1:]
		f.mu.Unlock()
		return nil, err
	}
	f.mu.Unlock()
	return f.Listener.Accept()
}

func TestServeSurvivesAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		lis, err := network.Listen("server")
		if err != nil {
			t.Fatal(err)
		}
		f := &failing{Listener: lis}
		for range 12 {
			f.fails = append(f.fails, &net.OpError{Op: "accept", Err: syscall.EMFILE})
		}
		f.fails = append(f.fails, errors.New("something nobody has heard of"))
		s := testServer(t)
		served := make(chan error, 1)
		go func() { served <- s.Serve(f) }()
		<-time.After(time.Minute)
		f.mu.Lock()
		if len(f.times) != 14 {
			t.Errorf("Accept was called %d times, want 13 failures and one that waits", len(f.times))
		}
		for i := 1; i < len(f.times); i++ {
			if d := f.times[i].Sub(f.times[i-1]); d < firstPause || d > longPause {
				t.Errorf("pause %d was %v, want %v to %v", i, d, firstPause, longPause)
			}
		}
		f.mu.Unlock()
		_ = s.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v, want nil", err)
		}
	})
}

func TestServeStopsWhileItPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var network memnet.Network
		lis, err := network.Listen("server")
		if err != nil {
			t.Fatal(err)
		}
		s := testServer(t)
		served := make(chan error, 1)
		go func() { served <- s.Serve(&failing{Listener: lis, fails: []error{syscall.ENFILE}}) }()
		synctest.Wait()
		before := time.Now()
		_ = s.Close()
		if err := <-served; err != nil || time.Since(before) != 0 {
			t.Errorf("Serve: %v after %v, want nil at once", err, time.Since(before))
		}
	})
}

func TestServeEndsWithItsListener(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := testServer(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	_ = lis.Close()
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve of a listener somebody else closed: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	lis, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(lis); err != ErrClosed {
		t.Errorf("Serve after Shutdown: %v, want ErrClosed", err)
	}
	if _, err := s.InProcess(inproc.HeaderLimits{}); err != ErrClosed {
		t.Errorf("InProcess after Shutdown: %v, want ErrClosed", err)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ addr, network, bad string }{
		{addr: "127.0.0.1:0", network: "tcp"},
		{addr: ":0", network: "tcp"},
		{addr: "unix:" + filepath.Join(dir, "a"), network: "unix"},
		{addr: "unix://" + filepath.Join(dir, "b"), network: "unix"},
		{addr: "127.0.0.1", bad: "missing port"},
		{addr: "unix:" + filepath.Join(dir, "no", "such"), bad: "no such file"},
	} {
		lis, err := Listen(tt.addr)
		if tt.bad != "" {
			if err == nil || !strings.Contains(err.Error(), tt.bad) {
				t.Errorf("Listen(%q): %v, want %q", tt.addr, err, tt.bad)
			}
			continue
		}
		if err != nil {
			t.Errorf("Listen(%q): %v", tt.addr, err)
			continue
		}
		if got := lis.Addr().Network(); got != tt.network {
			t.Errorf("Listen(%q): network %s, want %s", tt.addr, got, tt.network)
		}
		_ = lis.Close()
	}
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var ended error
		s := testServer(t, func(c *Config) {
			c.Methods["/t.S/bidi"].Handle = func(sc *server.Call) error {
				select {
				case <-sc.Draining():
					<-release
				case <-sc.Done():
				}
				ended = sc.Err()
				return nil
			}
		})
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		r := newRawCall()
		if _, err := conn.Open(post("/t.S/bidi"), nil, false, r); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Shutdown did not wait for a call: %v", err)
		default:
		}
		close(release)
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if ended != nil {
			t.Errorf("a draining handler was cancelled: %v", ended)
		}
		if got := r.String(); got != "200 application/grpc grpc-status 0" {
			t.Errorf("the call ended with %s", got)
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections left", n)
		}
	})
}

// Handlers that outlive their stream are waited for, too.
func TestShutdownWaitsForHandlersOfResetCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := testServer(t, func(c *Config) {
			c.Methods["/t.S/bidi"].Handle = func(sc *server.Call) error {
				<-release
				return nil
			}
		})
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		st, err := conn.Open(post("/t.S/bidi"), nil, false, newRawCall())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		st.Reset(8, "canceled")
		done := make(chan error, 1)
		go func() { done <- s.Shutdown(t.Context()) }()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("Shutdown returned while a handler ran")
		default:
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestShutdownGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		s := testServer(t, func(c *Config) {
			c.Methods["/t.S/bidi"].Handle = func(sc *server.Call) error {
				<-sc.Done()
				cause = context.Cause(sc)
				return nil
			}
		})
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		r := newRawCall()
		if _, err := conn.Open(post("/t.S/bidi"), nil, false, r); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		before := time.Now()
		if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v, want DeadlineExceeded", err)
		}
		if d := time.Since(before); d != time.Second {
			t.Errorf("Shutdown took %v, want 1s", d)
		}
		synctest.Wait()
		if cause == nil || !strings.Contains(cause.Error(), "server was closed") {
			t.Errorf("cause of the handler's end: %v", cause)
		}
		if got := r.String(); got != "closed: server_closed" {
			t.Errorf("the client saw %s", got)
		}
	})
}
