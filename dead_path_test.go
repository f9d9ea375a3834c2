package naru_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// holedConn is a connection whose packets are dropped on the way from a moment on, without a word:
// what a firewall does that has forgotten it, or a machine that has lost its power.
type holedConn struct {
	net.Conn
	holed *atomic.Bool
}

func (c holedConn) Write(p []byte) (int, error) {
	if c.holed.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A path that dies under a client with default options: calls without a deadline end within a
// minute, as UNAVAILABLE with the reason, and the next one goes over a new connection. Without
// keepalive they wait for the system's TCP, for a quarter of an hour and more.
func TestDeadPathIsFoundByDefault(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []naru.ClientOption
		wait time.Duration // at most until the calls end; 0: they do not in an hour
	}{
		{"default options", nil, time.Minute},
		{"keepalive of its own", []naru.ClientOption{naru.WithKeepalive(naru.Keepalive{Interval: 10 * time.Second, Timeout: time.Second})}, 11 * time.Second},
		{"without keepalive", []naru.ClientOption{naru.WithKeepalive(naru.Keepalive{Interval: -1})}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t, "a:1").up()
				var holed atomic.Bool
				var dials atomic.Int64
				c := cl.dial("passthrough:///a:1", append(tt.opts, naru.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
					nc, err := cl.net.Dial(ctx, network, address)
					if err != nil || dials.Add(1) > 1 {
						return nc, err
					}
					return holedConn{nc, &holed}, nil
				}))...)
				p := &pair{Client: c}
				for range 100 { // a connection in use
					if _, err := p.unary(t.Context(), "x"); err != nil {
						t.Fatal(err)
					}
				}
				holed.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				errs := make(chan error, 20) // one for each call
				for range 20 {
					go func() {
						_, err := p.unary(ctx, "x", naru.WithoutRetry())
						errs <- err
					}()
				}
				for range 20 {
					err := <-errs
					switch {
					case tt.wait == 0 && status.Code(err) == codes.DeadlineExceeded:
					case tt.wait == 0 || status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "keepalive"):
						t.Fatalf("got %v", err)
					}
				}
				if d := time.Since(began); tt.wait > 0 && d > tt.wait {
					t.Errorf("ended after %v, want at most %v", d, tt.wait)
				}
				if tt.wait > 0 {
					if _, err := p.unary(t.Context(), "x"); err != nil || dials.Load() != 2 {
						t.Errorf("the next call: %v, over connection %d", err, dials.Load())
					}
				}
				cl.end(c)
			})
		})
	}
}
