// Package keepalive shows how a client finds that its server has vanished, in faked time.
package keepalive

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// cable is a connection that can be cut: what is sent afterwards is lost, and nobody is told.
type cable struct {
	net.Conn
	cut *atomic.Bool
}

func (c cable) Write(p []byte) (int, error) {
	if c.cut.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// endless waits until its call ends.
type endless struct{ greeter.Server }

func (endless) SayHello(ctx context.Context, _ *greeter.HelloRequest) (*greeter.HelloReply, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestServerVanishes(t *testing.T) {
	for name, c := range map[string]struct {
		keepalive naru.Keepalive
		after     time.Duration
	}{
		"default": {naru.Keepalive{}, 50 * time.Second}, // 30 s without a byte, then 20 s for the answer to a PING
		"shorter": {naru.Keepalive{Interval: 10 * time.Second, Timeout: 5 * time.Second}, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				code, after := callThenCut(t, c.keepalive)
				if code != codes.Unavailable || after < c.after || after > c.after+time.Second {
					t.Errorf("%v after %v, want UNAVAILABLE after %v", code, after, c.after)
				}
			})
		})
	}
}

// callThenCut makes a call, cuts the connection in the middle of it, and returns how and when the
// call ended.
func callThenCut(t *testing.T, k naru.Keepalive) (codes.Code, time.Duration) {
	network := narutest.NewNetwork()
	lis, err := network.Listen("greeter")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := naru.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, endless{})
	go srv.Serve(lis)
	defer srv.Close()

	var cut atomic.Bool
	client, err := naru.NewClient("passthrough:///greeter", naru.WithPlaintext(), naru.WithKeepalive(k),
		naru.WithDialer(func(ctx context.Context, protocol, address string) (net.Conn, error) {
			conn, err := network.Dial(ctx, protocol, address)
			return cable{conn, &cut}, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ended := make(chan error, 1) // the result of the call
	go func() {
		_, err := greeter.NewGreeterClient(client).SayHello(t.Context(), &greeter.HelloRequest{Name: "Ana"}, naru.WithoutRetry())
		ended <- err
	}()
	synctest.Wait() // the handler runs
	cut.Store(true)
	start := time.Now()
	err = <-ended
	t.Log(err)
	return status.Code(err), time.Since(start)
}
