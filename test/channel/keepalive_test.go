package channel

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Keepalive against the enforcement of grpc-go's server (gRFC A8): a third ping sooner than MinTime
// after the one before, with nothing sent by the server in between, is answered by GOAWAY
// too_many_pings.

var events = &naru.MethodInfo{FullMethod: "/test.Channel/Events", Kind: naru.KindBidi}

// quietServer is a grpc-go server whose stream Events sends a message from time to time.
func quietServer(speaks time.Duration, policy ...keepalive.EnforcementPolicy) *grpc.Server {
	var opts []grpc.ServerOption
	for _, p := range policy {
		opts = append(opts, grpc.KeepaliveEnforcementPolicy(p))
	}
	srv := grpc.NewServer(opts...)
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{{
		StreamName: "Events", ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, s grpc.ServerStream) error {
			var tick <-chan time.Time
			if speaks > 0 {
				t := time.NewTicker(speaks)
				defer t.Stop()
				tick = t.C
			}
			for {
				select {
				case <-s.Context().Done():
					return nil
				case <-tick:
					if err := s.SendMsg(wrapperspb.String("event")); err != nil {
						return err
					}
				}
			}
		},
	}}}, nil)
	return srv
}

// listen receives the events of a stream until it ends, and returns why it did.
func listen(ctx context.Context, c *naru.Client) error {
	s, err := c.NewStream(ctx, events)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		if err := s.RecvMsg(new(text)); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// cancelled is a context that is cancelled after d. The server does not know when, unlike with a
// deadline.
func cancelled(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(d, cancel)
	return ctx, cancel
}

// tooManyPings counts the connections that ended with GOAWAY.
func tooManyPings(c *naru.Client) uint64 { return c.Stats().Failures[connectivity.GoAway] }

// keptAlive is a client and a server on a network in memory.
func keptAlive(t *testing.T, srv *grpc.Server, wire *deafening, opts ...naru.ClientOption) (c *naru.Client, end func()) {
	t.Helper()
	network := narutest.NewNetwork()
	lis, err := network.Listen("server:1")
	if err != nil {
		t.Fatal(err)
	}
	wire.dial = network.Dial
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	c, err = naru.NewClient("passthrough:///server:1", append([]naru.ClientOption{
		naru.WithPlaintext(), naru.WithLogger(quiet), naru.WithDialer(wire.Dial)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c, func() {
		_ = c.Close()
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

// TestKeepaliveForDays: streams of servers with default enforcement that say little or nothing live
// for two days, in virtual time, whatever the interval; 0 is the default.
func TestKeepaliveForDays(t *testing.T) {
	for _, interval := range []time.Duration{0, 10 * time.Second, 61 * time.Second, 299 * time.Second} {
		for _, speaks := range []time.Duration{0, 23 * time.Second, 7 * time.Minute, 5 * time.Hour} {
			t.Run(fmt.Sprint(interval, "/", speaks), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, end := keptAlive(t, quietServer(speaks), new(deafening), naru.WithKeepalive(naru.Keepalive{Interval: interval, Timeout: 20 * time.Second}), naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: -1}))
					defer end()
					ctx, cancel := cancelled(t, 48*time.Hour)
					defer cancel()
					err := listen(ctx, c)
					if ctx.Err() == nil || tooManyPings(c) != 0 {
						t.Errorf("the stream ended before its time: %v; %v", err, c.Stats().Failures)
					}
				})
			})
		}
	}
}

// TestKeepalivePermission: a client that was told what its servers permit makes use of it, also
// while no call is open.
func TestKeepalivePermission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = 3 * time.Second
		c, end := keptAlive(t, quietServer(0, keepalive.EnforcementPolicy{MinTime: interval, PermitWithoutStream: true}), new(deafening),
			naru.WithKeepalive(naru.Keepalive{Interval: interval, Timeout: 20 * time.Second, PermittedInterval: interval, WithoutCalls: true}), naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: -1}))
		defer end()
		for range 3 {
			ctx, cancel := cancelled(t, time.Hour)
			_ = listen(ctx, c)
			cancel()
			<-time.After(time.Hour)
		}
		if n := tooManyPings(c); n != 0 || c.State() != connectivity.Ready {
			t.Errorf("%v, %v: want the first connection still to be there", c.Stats().Failures, c.State())
		}
	})
}

// TestKeepaliveLearns: a server that permits less than the client was told, or than servers do by
// default, ends one connection, and no other.
func TestKeepaliveLearns(t *testing.T) {
	for name, k := range map[string]naru.Keepalive{
		"stricter than the default": {Interval: 10 * time.Second},
		"stricter than told":        {Interval: 10 * time.Second, PermittedInterval: time.Second, WithoutCalls: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, end := keptAlive(t, quietServer(0, keepalive.EnforcementPolicy{MinTime: 365 * 24 * time.Hour}), new(deafening),
					naru.WithKeepalive(k), naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: -1}))
				defer end()
				began := time.Now()
				err := listen(t.Context(), c)
				if n := tooManyPings(c); n != 1 {
					t.Fatalf("after %v: %v; %v, want GOAWAY", time.Since(began), err, c.Stats().Failures)
				}
				if text := status.Convert(err).Message(); !strings.Contains(text, "too_many_pings") || !strings.Contains(text, "WithKeepalive") {
					t.Errorf("the call's status does not tell: %q", text)
				}
				ctx, cancel := cancelled(t, 48*time.Hour)
				defer cancel()
				err = listen(ctx, c)
				if ctx.Err() == nil || tooManyPings(c) != 1 {
					t.Errorf("the second stream: %v; %v", err, c.Stats().Failures)
				}
			})
		})
	}
}

// deafening is a network whose wires can be cut: what is written is lost, and no one is told.
type deafening struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	cut  atomic.Bool
}

type cutConn struct {
	net.Conn
	cut *atomic.Bool
}

func (d *deafening) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return cutConn{nc, &d.cut}, nil
}

func (c cutConn) Write(p []byte) (int, error) {
	if c.cut.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// TestKeepaliveFindsTheDead: a peer that falls silent is found within interval and timeout, and in
// a quiet stretch within 5 minutes more, and the status says so.
func TestKeepaliveFindsTheDead(t *testing.T) {
	const interval, timeout = 10 * time.Second, 5 * time.Second
	often := naru.WithKeepalive(naru.Keepalive{Interval: interval, Timeout: timeout})
	byDefault := naru.WithKeepalive(naru.Keepalive{})
	for _, tt := range []struct {
		name        string
		opt         naru.ClientOption
		alive, most time.Duration
	}{
		{"young", often, 4 * time.Second, interval + timeout},
		{"in a quiet stretch", often, time.Hour, 5*time.Minute + 3*time.Second + interval + timeout},
		{"young, by default", byDefault, 4 * time.Second, 50 * time.Second},
		{"in a quiet stretch, by default", byDefault, time.Hour, 6 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var wire deafening
				c, end := keptAlive(t, quietServer(0), &wire, tt.opt, naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: -1}))
				defer end()
				ended := make(chan error, 1)
				go func() { ended <- listen(t.Context(), c) }()
				<-time.After(tt.alive)
				wire.cut.Store(true)
				began := time.Now()
				err := <-ended
				if d := time.Since(began); d > tt.most {
					t.Errorf("found after %v, want within %v", d, tt.most)
				}
				if text := status.Convert(err).Message(); status.Code(err) != codes.Unavailable || !strings.Contains(text, "keepalive") {
					t.Errorf("the call ended with %v, want UNAVAILABLE and the reason", err)
				}
			})
		})
	}
}

// TestKeepaliveOnSockets: the same on real sockets, with a server whose minimum is a second.
func TestKeepaliveOnSockets(t *testing.T) {
	t.Parallel()
	const interval = time.Second
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := quietServer(0, keepalive.EnforcementPolicy{MinTime: interval})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	for name, opts := range map[string][]naru.ClientOption{
		"told what is permitted": {naru.WithKeepalive(naru.Keepalive{Interval: interval, Timeout: 10 * time.Second, PermittedInterval: interval})},
		"not told":               {naru.WithKeepalive(naru.Keepalive{Interval: interval, Timeout: 10 * time.Second})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dialTarget(t, "passthrough:///"+lis.Addr().String(), opts...)
			ctx, cancel := cancelled(t, underLoad(time.Minute, 8*time.Second))
			defer cancel()
			if err := listen(ctx, c); ctx.Err() == nil || tooManyPings(c) != 0 {
				t.Errorf("the stream ended before its time: %v; %v", err, c.Stats().Failures)
			}
		})
	}
}

// TestKeepaliveFrozenProcess: the kernel of a server that is stopped acknowledges everything; only
// a ping finds out.
func TestKeepaliveFrozenProcess(t *testing.T) {
	t.Parallel()
	for _, stack := range []string{"naru", "grpc-go"} {
		t.Run(stack, func(t *testing.T) {
			b := start(t, "127.0.0.1", 0, processServer(stack, func(string) {}), nil)
			c := dial(t, []*backend{b}, naru.WithKeepalive(naru.Keepalive{Interval: time.Second, Timeout: time.Second, PermittedInterval: time.Second}))
			if _, err := invoke(t.Context(), c, plain, "while it runs"); err != nil {
				t.Fatal(err)
			}
			b.freeze()
			began := time.Now()
			for err := error(nil); ; {
				// A signal takes its time: a call or two may still be answered.
				if _, err = invoke(t.Context(), c, plain, "while it does not", naru.WithTimeout(time.Minute)); err == nil {
					continue
				}
				if d := time.Since(began); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "keepalive") || d > 10*time.Second {
					t.Errorf("after %v: %v, want UNAVAILABLE for keepalive after 2 s", d, err)
				}
				break
			}
		})
	}
}
