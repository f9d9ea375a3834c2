package naru_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

func TestShutdownDrains(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	started := make(chan struct{}, 2)
	e := func() *echo {
		return &echo{
			unary: func(_ context.Context, m *text) (*text, error) {
				started <- struct{}{}
				<-release
				return m, nil
			},
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				started <- struct{}{}
				<-naru.Draining(s.Context())
				return s.Send(str("draining"))
			},
		}
	}
	for _, transport := range []string{"inproc", "http2"} {
		release, once = make(chan struct{}), sync.Once{}
		p := start(t, transport, e())
		unary := make(chan error, 1)
		go func() {
			_, err := p.unary(t.Context(), "x")
			unary <- err
		}()
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		<-started
		<-started
		if n := p.srv.OpenCalls(); n != 2 {
			t.Errorf("%s: %d calls open, want 2", transport, n)
		}
		done := make(chan error, 1)
		go func() { done <- p.srv.Shutdown(t.Context()) }()
		m, err := s.Recv()
		wantText(t, m.GetValue(), err, "draining")
		if _, err := s.Recv(); err != io.EOF {
			t.Errorf("%s: a stream that ended itself: %v", transport, err)
		}
		select {
		case err := <-done:
			t.Errorf("%s: Shutdown did not wait: %v", transport, err)
		default:
		}
		once.Do(func() { close(release) })
		if err := <-unary; err != nil {
			t.Errorf("%s: a call in flight: %v", transport, err)
		}
		if err := <-done; err != nil {
			t.Errorf("%s: Shutdown: %v", transport, err)
		}
		if _, err := p.unary(t.Context(), "late"); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: a call after Shutdown: %v", transport, err)
		}
	}
}

// No call in flight is lost by a drain, and none that comes after is left hanging.
func TestShutdownUnderLoad(t *testing.T) {
	for _, transport := range []string{"inproc", "http2"} {
		p := start(t, transport, plain())
		var wg sync.WaitGroup
		var mu sync.Mutex
		var bad []error
		first := make(chan struct{})
		var once sync.Once
		for range 32 {
			wg.Go(func() {
				for {
					_, err := p.unary(t.Context(), "x")
					if err == nil {
						once.Do(func() { close(first) })
						continue
					}
					if status.Code(err) != codes.Unavailable {
						mu.Lock()
						bad = append(bad, err)
						mu.Unlock()
					}
					return
				}
			})
		}
		<-first
		if err := p.srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if len(bad) > 0 {
			t.Errorf("%s: %d calls ended otherwise than with UNAVAILABLE, such as %v", transport, len(bad), bad[0])
		}
	}
}

func TestShutdownGivesUp(t *testing.T) {
	ended := make(chan error, 1)
	e := func() *echo {
		return &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return m, nil
		}}
	}
	for _, transport := range []string{"inproc", "http2"} {
		p := start(t, transport, e())
		result := make(chan error, 1)
		go func() {
			_, err := p.unary(t.Context(), "")
			result <- err
		}()
		for p.srv.OpenCalls() == 0 {
			<-time.After(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := p.srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Shutdown: %v", transport, err)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("%s: the handler's context: %v", transport, err)
		}
		if err := <-result; status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
			t.Errorf("%s: the call: %v", transport, err)
		}
	}
}

func TestListenAndServe(t *testing.T) {
	addr := "unix:" + filepath.Join(t.TempDir(), "s")
	srv, err := naru.NewServer(naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(plain().desc())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- srv.ListenAndServe(ctx, addr) }()
	client, err := naru.NewClient(addr, naru.WithPlaintext(), naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	p := &pair{Client: client, srv: srv}
	got, err := p.unary(t.Context(), "over unix", naru.WaitForReady(true), naru.WithTimeout(5*time.Second))
	wantText(t, got, err, "over unix")
	cancel()
	if err := <-served; err != nil {
		t.Errorf("ListenAndServe after its context: %v", err)
	}
	if err := srv.ListenAndServe(t.Context(), addr); err != naru.ErrServerClosed {
		t.Errorf("ListenAndServe of a server that was shut down: %v, want ErrServerClosed", err)
	}
}

func TestListenAndServeFails(t *testing.T) {
	srv, err := naru.NewServer(naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	err = srv.ListenAndServe(t.Context(), "256.0.0.1:1")
	if err == nil || !strings.Contains(err.Error(), `listen on "256.0.0.1:1"`) {
		t.Errorf("got %v", err)
	}
}

func TestShutdownBeforeServe(t *testing.T) {
	srv, err := naru.NewServer(naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Serve(lis); err != naru.ErrServerClosed {
		t.Errorf("Serve after Shutdown: %v, want ErrServerClosed", err)
	}
	if err := naru.Run(t.Context(), srv, "127.0.0.1:0"); err != naru.ErrServerClosed {
		t.Errorf("Run after Shutdown: %v, want ErrServerClosed", err)
	}
	if _, err := naru.InProcess(srv); err != naru.ErrServerClosed {
		t.Errorf("InProcess of a server that was shut down: %v, want ErrServerClosed", err)
	}
}

func TestRegistrationMistakes(t *testing.T) {
	other := &naru.MethodInfo{FullMethod: "/other.Service/m"}
	nothing := func(context.Context, *text) (*text, error) { return nil, nil }
	for _, tt := range []struct {
		name  string
		descs []*naru.ServiceDesc
		want  string
	}{
		{"nil", []*naru.ServiceDesc{nil}, "the descriptor is nil"},
		{"no name", []*naru.ServiceDesc{{}}, `"": not a service name`},
		{"twice", []*naru.ServiceDesc{plain().desc(), plain().desc()}, "test.Echo: registered twice"},
		{"method twice", []*naru.ServiceDesc{{Name: "test.Echo", Methods: []naru.MethodDesc{
			stub.UnaryHandler(methodUnary, nothing), stub.UnaryHandler(methodUnary, nothing),
		}}}, "method Unary registered twice"},
		{"other service's method", []*naru.ServiceDesc{{Name: "test.Echo", Methods: []naru.MethodDesc{
			stub.UnaryHandler(other, nothing),
		}}}, `method path "/other.Service/m" does not belong to it`},
		{"empty method", []*naru.ServiceDesc{{Name: "test.Echo", Methods: make([]naru.MethodDesc, 1)}}, "no description or no handler"},
	} {
		srv, err := naru.NewServer(naru.WithLogger(quiet))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range tt.descs {
			srv.RegisterService(d)
		}
		if _, err := naru.InProcess(srv); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: InProcess: %v, want %q", tt.name, err, tt.want)
		}
		if err := srv.ListenAndServe(t.Context(), "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ListenAndServe: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestServerString(t *testing.T) {
	var j journal
	srv, err := naru.NewServer(naru.WithInterceptors(j.noting("a")), naru.WithInterceptorsFor("test.Echo", j.noting("b")))
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(plain().desc())
	got := srv.String()
	for _, want := range []string{"service test.Echo (4 methods)", "interceptor 1: ", "(all calls)", "interceptor 2: ", "(test.Echo)", "noting"} {
		if !strings.Contains(got, want) {
			t.Errorf("String has no %q:\n%s", want, got)
		}
	}
	if n := len(srv.Services()); n != 1 {
		t.Errorf("%d services", n)
	}
}

func TestClientClose(t *testing.T) {
	e := func() *echo {
		return &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			<-ctx.Done()
			return m, nil
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		result := make(chan error, 1)
		go func() {
			_, err := p.unary(t.Context(), "")
			result <- err
		}()
		for p.srv.OpenCalls() == 0 {
			<-time.After(time.Millisecond)
		}
		_ = p.Client.Close()
		if err := <-result; status.Code(err) != codes.Canceled {
			t.Errorf("a call of a client that was closed: %v, want CANCELED", err)
		}
		if _, err := p.unary(t.Context(), ""); status.Code(err) != codes.Canceled {
			t.Errorf("a call after Close: %v, want CANCELED", err)
		}
		_ = p.Client.Close()
	})
}

// More calls than the server takes at a time wait, as over a network.
func TestInProcessQueues(t *testing.T) {
	p := start(t, "inproc", plain(), serverOnly{naru.WithLimits(limits.Limits{MaxConcurrentStreams: 10})})
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			if _, err := p.unary(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
