// Package testing shows how to test a service: server and client in one process, without sockets
// and ports, so that tests can run in parallel and time can be faked.
package testing

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
)

// TestMain fails the package if a test leaves a goroutine behind.
func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

func TestSayHello(t *testing.T) {
	t.Parallel()
	client := greeter.NewGreeterClient(narutest.Serve(t, func(s naru.ServiceRegistrar) {
		greeter.RegisterGreeterServer(s, greeter.Server{})
	}))
	for name, want := range map[string]codes.Code{"Ana": codes.OK, "": codes.InvalidArgument} {
		_, err := client.SayHello(t.Context(), &greeter.HelloRequest{Name: name})
		if got := status.Code(err); got != want {
			t.Errorf("SayHello(%q): %v, want %v", name, err, want)
		}
	}
}

// lazy takes an hour.
type lazy struct{ greeter.Server }

func (l lazy) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	select {
	case <-time.After(time.Hour):
		return l.Server.SayHello(ctx, req)
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
}

// TestTimeout waits for half an hour, in no time.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := greeter.NewGreeterClient(narutest.Serve(t, func(s naru.ServiceRegistrar) {
			greeter.RegisterGreeterServer(s, lazy{})
		}))
		start := time.Now()
		_, err := client.SayHello(t.Context(), &greeter.HelloRequest{Name: "Ana"}, naru.WithTimeout(30*time.Minute))
		if status.Code(err) != codes.DeadlineExceeded || time.Since(start) != 30*time.Minute {
			t.Errorf("after %v: %v, want DEADLINE_EXCEEDED after 30 minutes", time.Since(start), err)
		}
	})
}
