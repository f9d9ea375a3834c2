package narutest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

var echoMethod = &naru.MethodInfo{FullMethod: "/narutest.Echo/Echo", Kind: naru.KindUnary}

func registerEcho(s naru.ServiceRegistrar) {
	s.RegisterService(&naru.ServiceDesc{
		Name: "narutest.Echo",
		Methods: []naru.MethodDesc{stub.UnaryHandler(echoMethod, func(ctx context.Context, s *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			if s.GetValue() == "wait" {
				<-ctx.Done()
				return nil, status.FromContextError(ctx.Err()).Err()
			}
			return s, nil
		})},
	})
}

func echo(ctx context.Context, c naru.ClientConnInterface, text string) (string, error) {
	var res wrapperspb.StringValue
	err := c.Invoke(ctx, echoMethod, wrapperspb.String(text), &res)
	return res.GetValue(), err
}

func TestServe(t *testing.T) {
	t.Parallel()
	c := narutest.Serve(t, registerEcho)
	if got, err := echo(t.Context(), c, "hello"); err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestServeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := narutest.Serve(t, registerEcho)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := echo(ctx, c, "wait"); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v, want the deadline", err)
		}
		if waited := time.Since(start); waited < time.Hour || waited > time.Hour+time.Minute {
			t.Errorf("waited %v of the bubble's time, want an hour", waited)
		}
	})
}

func TestManyClients(t *testing.T) {
	t.Parallel()
	s := narutest.NewServer(t, func(s *naru.Server) { registerEcho(s) })
	var wg sync.WaitGroup
	for range 4 {
		c := s.Client()
		for range 25 {
			wg.Go(func() {
				if _, err := echo(t.Context(), c, "x"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := echo(ctx, s.Client(), "x"); status.Code(err) != codes.Unavailable {
		t.Errorf("after the shutdown: %v, want UNAVAILABLE", err)
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca, err := devcert.NewAuthority("narutest", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Issue(devcert.Request{Hosts: []string{"narutest"}})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ca.Issue(devcert.Request{Name: "client"})
	if err != nil {
		t.Fatal(err)
	}
	s := narutest.NewServer(t, func(s *naru.Server) { registerEcho(s) }, naru.WithTLS(server.MutualConfig(ca)))
	if got, err := echo(t.Context(), s.Client(naru.WithTLS(ca.ClientConfig(own))), "hello"); err != nil || got != "hello" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := echo(t.Context(), s.Client(naru.WithTLS(ca.ClientConfig())), "hello"); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v, want UNAVAILABLE", err)
	}
}

func TestNetwork(t *testing.T) {
	n := narutest.NewNetwork()
	if _, err := n.Dial(t.Context(), "tcp", "a"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v, want ECONNREFUSED", err)
	}
	l, err := n.Listen("a")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := n.Listen("a"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("second listener: %v, want EADDRINUSE", err)
	}
	client, err := n.Dial(t.Context(), "tcp", "a")
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, client, server)
}

func TestPipe(t *testing.T) {
	client, server := narutest.Pipe(10)
	exchange(t, client, server)
}

func exchange(t *testing.T, client, server net.Conn) {
	t.Helper()
	if _, err := io.WriteString(client, "request"); err != nil {
		t.Fatal(err)
	}
	if err := client.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); err != nil || string(got) != "request" {
		t.Errorf("%q, %v", got, err)
	}
	_ = server.Close()
	_ = client.Close()
}

// recorder is a test whose output and clean-ups are looked at.
type recorder struct {
	testing.TB
	lines   []string
	cleanup []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Logf(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func TestLoggerStopsWithTheTest(t *testing.T) {
	r := &recorder{TB: t}
	log := narutest.Logger(r)
	log.Debug("before", "key", "value")
	for _, f := range r.cleanup {
		f()
	}
	log.Info("after")
	if all := strings.Join(r.lines, ""); !strings.Contains(all, "msg=before key=value") || strings.Contains(all, "after") {
		t.Errorf("logged %q", all)
	}
}
