package channel

import (
	"context"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// fakeConn is a connection without a wire: what a channel sees of a transport.ClientConn.
type fakeConn struct {
	addr     string
	n        int // number of the dial that made it
	draining chan struct{}
	done     chan struct{}

	mu    sync.Mutex
	limit uint32
	open  uint32
	err   *transport.Error
	why   string // given to Drain
	slot  chan struct{}

	streams []*fakeStream     // opened
	opened  func(*fakeStream) // nil: nobody is told
}

func newFakeConn(addr string, n int) *fakeConn {
	return &fakeConn{addr: addr, n: n, limit: math.MaxUint32,
		draining: make(chan struct{}), done: make(chan struct{}), slot: make(chan struct{}, 1)}
}

func (c *fakeConn) String() string { return fmt.Sprintf("%s#%d", c.addr, c.n) }

// Open makes a stream whose other end is the test. Only the channel's own calls come here: the test
// picks, and calls nothing.
func (c *fakeConn) Open(head *transport.RequestHead, body *mem.Buf, _ bool, sink transport.ClientSink) (transport.ClientStream, error) {
	s := &fakeStream{conn: c, path: head.Path, body: string(body.B), sink: sink}
	body.Free()
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.draining:
		return nil, &transport.Error{Token: "drained", Unprocessed: true}
	default:
	}
	c.streams = append(c.streams, s)
	if c.opened != nil {
		c.opened(s)
	}
	return s, nil
}

// fakeStream is a stream of a fakeConn.
type fakeStream struct {
	conn *fakeConn
	path string
	body string // of the request, with its prefix
	sink transport.ClientSink

	saying sync.Mutex // for those who answer from several goroutines
	begun  bool
	reset  atomic.Bool
}

func (s *fakeStream) Send(body *mem.Buf, _ bool) error { body.Free(); return nil }
func (s *fakeStream) ID() uint32                       { return 1 }
func (s *fakeStream) AwaitSend(<-chan struct{}) error  { return nil }
func (s *fakeStream) Consumed(int)                     {}
func (s *fakeStream) Want(int64, int64)                {}
func (s *fakeStream) Reset(uint32, reason.Code)        { s.reset.Store(true) }
func (s *fakeStream) Release()                         {}
func (s *fakeStream) Conn() *transport.ConnInfo        { return s.conn.Info() }

// answer sends a message.
func (s *fakeStream) answer(msg string) {
	s.say(msg)
	synctest.Wait()
}

func (s *fakeStream) say(msg string) {
	if !s.begun {
		s.begun = true
		s.sink.Head(&transport.ResponseHead{Status: 200, Fields: []transport.Field{{Name: "content-type", Value: "application/grpc"}}}, false)
	}
	s.sink.Data([]byte("\x00\x00\x00\x00"+string(rune(len(msg)))+msg), false)
}

// end ends the call with a status.
func (s *fakeStream) end(code string) {
	trailers := []transport.Field{{Name: "grpc-status", Value: code}}
	if s.begun {
		s.sink.Trailers(trailers)
	} else {
		head := []transport.Field{{Name: "content-type", Value: "application/grpc"}}
		s.sink.Head(&transport.ResponseHead{Status: 200, Fields: append(head, trailers...)}, true)
	}
	synctest.Wait()
}

// stream returns the nth stream opened.
func (n *fakeNet) stream(conn, i int) *fakeStream {
	n.t.Helper()
	synctest.Wait()
	c := n.conn(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	if i >= len(c.streams) {
		n.t.Fatalf("stream %d of %v was wanted, %d were opened", i, c, len(c.streams))
	}
	return c.streams[i]
}

func (c *fakeConn) AwaitSlot(done <-chan struct{}) error {
	select {
	case <-c.slot:
		return nil
	case <-done:
		return transport.ErrAwaitDone
	case <-c.done:
		return c.Err()
	}
}

func (c *fakeConn) Load() (open, limit uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open, c.limit
}

func (c *fakeConn) setLimit(n uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = n
}

func (c *fakeConn) Info() *transport.ConnInfo {
	return &transport.ConnInfo{Remote: &net.UnixAddr{Name: c.addr}, Draining: c.draining}
}

func (c *fakeConn) Done() <-chan struct{} { return c.done }

func (c *fakeConn) Err() *transport.Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// goAway is the peer's GOAWAY: no new streams, those there are go on.
func (c *fakeConn) goAway(code uint32, debug string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginPeer, Token: "goaway", Code: code, Reason: debug}
	c.drainLocked()
}

func (c *fakeConn) drainLocked() {
	select {
	case <-c.draining:
	default:
		close(c.draining)
	}
}

func (c *fakeConn) Drain(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.why = reason
	c.drainLocked()
	if c.open == 0 {
		c.endLocked(&transport.Error{Origin: transport.OriginUser, Token: "drained", Reason: reason})
	}
}

func (c *fakeConn) Close(err *transport.Error) {
	if err == nil {
		err = &transport.Error{Origin: transport.OriginUser, Token: "closed"}
	}
	c.fail(err)
}

func (c *fakeConn) fail(err *transport.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drainLocked()
	c.endLocked(err)
}

func (c *fakeConn) endLocked(err *transport.Error) {
	select {
	case <-c.done:
	default:
		if c.err == nil {
			c.err = err
		}
		close(c.done)
	}
}

// fakeNet is a network: it says what comes of attempts to connect and writes them down.
type fakeNet struct {
	t     testing.TB
	start time.Time

	mu    sync.Mutex
	host  map[string]string // address -> "refuse", "hang", "drain", "drain once", "" (up)
	limit uint32            // of streams, for new connections; 0: none
	dials []string          // "address at time"
	conns []*fakeConn
	// opened is told of streams, if it is set; watches are those that report health, and sick the
	// hosts that are not well.
	opened  func(*fakeStream)
	watches []*fakeStream
	sick    map[string]bool
}

func newFakeNet(t testing.TB) *fakeNet {
	return &fakeNet{t: t, start: time.Now(), host: map[string]string{}}
}

func (n *fakeNet) set(addr, how string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.host[addr] = how
}

func (n *fakeNet) Dial(ctx context.Context, addr Destination) (transport.ClientConn, error) {
	n.mu.Lock()
	how := n.host[addr.Addr]
	n.dials = append(n.dials, fmt.Sprintf("%s at %v", addr.Addr, time.Since(n.start)))
	num := len(n.dials)
	n.mu.Unlock()
	switch how {
	case "refuse":
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "drain", "drain once": // GOAWAY NO_ERROR before the connection is ready
		if how == "drain once" {
			n.set(addr.Addr, "")
		}
		return nil, &connectivity.Failure{Reason: connectivity.GoAway, Address: addr.Addr, Time: time.Now(), Text: "the peer ended the connection at once"}
	}
	c := newFakeConn(addr.Addr, num)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.limit > 0 {
		c.limit = n.limit
	}
	c.opened = n.opened
	n.conns = append(n.conns, c)
	return c, nil
}

func (n *fakeNet) conn(i int) *fakeConn {
	n.t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if i >= len(n.conns) {
		n.t.Fatalf("connection %d was wanted, only %d were made", i, len(n.conns))
	}
	return n.conns[i]
}

func (n *fakeNet) wantDials(why string, want ...string) {
	n.t.Helper()
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if fmt.Sprint(n.dials) != fmt.Sprint(want) {
		n.t.Fatalf("dials: got %q, want %q: %s", n.dials, want, why)
	}
}

// after lets virtual time pass.
func after(d time.Duration) { <-time.After(d) }

// noJitter makes backoffs exact.
var noJitter = connectivity.Backoff{Jitter: -1}

// manual is a resolver that says what a test makes it say.
type manual struct {
	w   resolver.Watcher
	run chan struct{} // a value per Run
}

func newManual() *manual { return &manual{run: make(chan struct{}, 10)} }

func (m *manual) Scheme() string { return "test" }
func (m *manual) Build(resolver.Target, resolver.Options) (resolver.Resolver, error) {
	return m, nil
}
func (m *manual) Run(ctx context.Context, w resolver.Watcher) {
	m.w = w
	m.run <- struct{}{}
	<-ctx.Done()
}

// newTest makes a channel to the given addresses over a fake network.
func newTest(t testing.TB, net *fakeNet, cfg Config, addrs ...string) *Channel {
	t.Helper()
	if cfg.Target == "" {
		cfg.Target = "test:///x"
	}
	cfg.Resolvers = cfg.Resolvers.With(resolver.Static("test", resolver.EndpointsOf(addrs...)...))
	return newTestWith(t, net, cfg)
}

func newTestWith(t testing.TB, net *fakeNet, cfg Config) *Channel {
	t.Helper()
	if cfg.Dial == nil {
		cfg.Dial = net.Dial
	}
	if cfg.Backoff == (connectivity.Backoff{}) {
		cfg.Backoff = noJitter
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// mustPick picks and fails the test if there is an error.
func mustPick(t testing.TB, c *Channel, info client.PickInfo) (*fakeConn, func(client.DoneInfo)) {
	t.Helper()
	conn, done, err := c.Pick(context.Background(), &info)
	if err != nil {
		t.Fatalf("Pick: %v", err)
	}
	return conn.(*fakeConn), done
}
