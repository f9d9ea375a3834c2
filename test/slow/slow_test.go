package slow

import (
	"context"
	"flag"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/honest"
)

var beside = flag.Duration("beside", 0, "how long an honest client calls beside the slow ones; the bounds on time hold then, 0: a moment, no bounds")

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// A row is slow neighbors of an honest client.
type row struct {
	name string
	n    int
	// neighbor runs number i of them until ctx ends.
	neighbor func(ctx context.Context, i int, n *neighbors)
	// own has the honest client share the neighbors' connection.
	own bool
}

var rows = []row{
	{name: "8 slow uploads of 3 MB, 20 KB/s each", n: 8, neighbor: slowUpload},
	{name: "20 slow uploads of 3 MB, 20 KB/s each", n: 20, neighbor: slowUpload},
	{name: "200 slow uploads of 3 MB, 20 KB/s each", n: 200, neighbor: slowUpload},
	{name: "20 slow downloads of 3 MB, 20 KB/s each", n: 20, neighbor: slowDownload},
	{name: "30 streams of one client, a message of 1 MB taken each second", n: 30, neighbor: slowHandler},
	{name: "30 streams of the same client, a message of 1 MB taken each second", n: 30, neighbor: slowHandler, own: true},
	{name: "a proxy's connection: 500 users, 50 of them slow", n: 500, neighbor: user, own: true},
	{name: "256 uploads of 4 MB at once on another connection", n: 256, neighbor: largeUpload},
}

// neighbors are those of a row.
type neighbors struct {
	addr   string                 // the server's
	shared benchpbnaru.EchoClient // a connection that all may use
	begun  sync.WaitGroup         // done when one with a connection of its own is at it
}

func TestBesideSlow(t *testing.T) {
	var table strings.Builder
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			var got []*honest.Outcome
			for _, s := range honest.Stacks {
				if *beside == 0 && s.Name != "naru" {
					continue
				}
				t.Run(s.Name, func(t *testing.T) { got = append(got, r.measure(t, s.Start(t))) })
			}
			if *beside > 0 && len(got) == len(honest.Stacks) {
				honest.Bounds(t, got[0], got[1])
				table.WriteString(honest.Row(r.name, got))
			} else if len(got) > 0 && (got[0].Failed > 0 || got[0].Calls() == 0) {
				t.Errorf("%d honest calls were made, %d failed: %v", got[0].Calls(), got[0].Failed, got[0].Err)
			}
		})
	}
	if table.Len() > 0 {
		t.Logf("p50 and p99 in ms, naru / grpc-go\n%s%s", honest.Header("beside"), table.String())
	}
}

func (r *row) measure(t *testing.T, addr string) *honest.Outcome {
	shared := dial(t, addr, naru.WithConnectionScaling(1))
	echo := shared
	if !r.own {
		echo = dial(t, addr)
	}
	return honest.Measure(echo, max(*beside, 300*time.Millisecond), func() (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		n := &neighbors{addr: addr, shared: shared}
		n.begun.Add(r.n)
		var wg sync.WaitGroup
		for i := range r.n {
			wg.Go(func() { r.neighbor(ctx, i, n) })
		}
		n.begun.Wait()
		return func() { cancel(); wg.Wait() }
	})
}

func dial(t *testing.T, addr string, opts ...naru.ClientOption) benchpbnaru.EchoClient {
	t.Helper()
	c, err := naru.NewClient(addr, append(opts, naru.WithPlaintext(), honest.Quiet)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return benchpbnaru.NewEchoClient(c)
}

// rate is that of a bad network, in bytes a second.
const rate = 20_000

func pause() { <-time.After(50 * time.Millisecond) }

// slowConn writes at rate, or reads if reads is set.
type slowConn struct {
	net.Conn
	reads bool
	begun func() // called once, when some of a message has moved

	moved atomic.Int64
}

// most is a message's prefix and the frames around it.
const most = 1000

func (s *slowConn) move(n int) {
	if before := s.moved.Add(int64(n)) - int64(n); before <= most && before+int64(n) > most {
		s.begun()
	}
}

func (s *slowConn) Write(p []byte) (n int, err error) {
	if s.reads {
		return s.Conn.Write(p)
	}
	for len(p) > 0 && err == nil {
		pause()
		var m int
		m, err = s.Conn.Write(p[:min(len(p), rate/20)])
		n += m
		p = p[m:]
		s.move(m)
	}
	return n, err
}

func (s *slowConn) Read(p []byte) (int, error) {
	if !s.reads {
		return s.Conn.Read(p)
	}
	pause()
	n, err := s.Conn.Read(p[:min(len(p), rate/20)])
	s.move(n)
	return n, err
}

// slowly makes a call of its own client over a slow connection.
func (n *neighbors) slowly(ctx context.Context, reads bool, m *benchpb.Message) {
	begun := sync.OnceFunc(n.begun.Done)
	defer begun()
	c, err := naru.NewClient(n.addr, naru.WithPlaintext(), honest.Quiet, naru.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		_ = nc.(*net.TCPConn).SetReadBuffer(8 << 10) // a hint
		return &slowConn{Conn: nc, reads: reads, begun: begun}, nil
	}))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, _ = benchpbnaru.NewEchoClient(c).Unary(ctx, m) // ends with ctx
}

// threeMB takes two and a half minutes at rate.
var threeMB = &benchpb.Message{Message: "drop", Payload: make([]byte, 3_000_000)}

func slowUpload(ctx context.Context, _ int, n *neighbors) { n.slowly(ctx, false, threeMB) }

func slowDownload(ctx context.Context, _ int, n *neighbors) {
	n.slowly(ctx, true, &benchpb.Message{Message: "large", Id: 3_000_000})
}

// slowHandler sends what a handler takes one of a second.
func slowHandler(ctx context.Context, _ int, n *neighbors) {
	n.begun.Done()
	s, err := n.shared.Bidi(ctx)
	for err == nil {
		err = s.Send(&benchpb.Message{Message: "wait", Payload: make([]byte, 1_000_000)})
	}
}

// user is one of a proxy's: every tenth is slow, the others make a small call now and then.
func user(ctx context.Context, i int, n *neighbors) {
	n.begun.Done()
	if i%10 == 0 {
		dripping(ctx, n.shared)
		return
	}
	for ctx.Err() == nil {
		_, _ = n.shared.Unary(ctx, &benchpb.Message{Payload: make([]byte, 1000)})
		pause()
		pause()
	}
}

// dripping sends a message in parts over a connection that others share, as a proxy does for a
// client on a bad network: a bidirectional stream whose messages each come slowly, seen from the
// server.
func dripping(ctx context.Context, shared benchpbnaru.EchoClient) {
	s, err := shared.Bidi(ctx)
	for err == nil {
		pause()
		err = s.Send(&benchpb.Message{Message: "wait", Payload: make([]byte, rate/20)})
	}
}

func largeUpload(ctx context.Context, _ int, n *neighbors) {
	n.begun.Done()
	m := &benchpb.Message{Message: "drop", Payload: make([]byte, 4_000_000)}
	for ctx.Err() == nil {
		_, _ = n.shared.Unary(ctx, m)
	}
}
