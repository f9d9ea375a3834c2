package channel

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) {
	if stack := os.Getenv(backendStack); stack != "" {
		backendMain(stack)
		return
	}
	flag.Parse()
	narutest.VerifyTestMain(m)
}

var long = flag.Bool("long", false, "let tests under load run for as long as they are specified")

// underLoad is how long a test sends calls.
func underLoad(spec, short time.Duration) time.Duration {
	if *long {
		return spec
	}
	return short
}

// text is the message of the test service.
type text = wrapperspb.StringValue

const service = "test.Channel"

var (
	// idempotent calls are retried by default, plain ones are not.
	idempotent = &naru.MethodInfo{FullMethod: "/test.Channel/Get", Idempotency: naru.Idempotent}
	plain      = &naru.MethodInfo{FullMethod: "/test.Channel/Add"}
)

// handler answers a call: its argument is the request, an empty error is OK.
type handler func(ctx context.Context, req string) (string, error)

// backend is a server on an address of its own that can be stopped and started again.
type backend struct {
	t      testing.TB
	addr   string
	handle atomic.Pointer[handler]
	calls  atomic.Int64
	conns  atomic.Int64 // ever accepted
	open   atomic.Int64

	make   func(*backend) runner
	served sync.WaitGroup

	mu  sync.Mutex
	run runner // nil: stopped
}

// runner is a server of either stack.
type runner interface {
	serve(net.Listener)
	// drain stops gracefully, kill at once.
	drain()
	kill()
}

// countingListener knows how many connections there are.
type countingListener struct {
	net.Listener
	b *backend
}

type countedConn struct {
	net.Conn
	once sync.Once
	b    *backend
}

func (l countingListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.b.conns.Add(1)
	l.b.open.Add(1)
	return &countedConn{Conn: nc, b: l.b}, nil
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.b.open.Add(-1) })
	return c.Conn.Close()
}

// start starts a backend on host, a loopback address, with a port of the system's or the one given.
func start(t testing.TB, host string, port uint16, make func(*backend) runner, h handler) *backend {
	t.Helper()
	b := &backend{t: t, addr: netip.AddrPortFrom(netip.MustParseAddr(host), port).String(), make: make}
	b.setHandler(h)
	b.up()
	t.Cleanup(b.kill)
	return b
}

func (b *backend) setHandler(h handler) { b.handle.Store(&h) }

func (b *backend) up() {
	b.t.Helper()
	lis, err := net.Listen("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.addr = lis.Addr().String()
	r := b.make(b)
	b.mu.Lock()
	b.run = r
	b.mu.Unlock()
	b.served.Go(func() { r.serve(countingListener{lis, b}) })
}

func (b *backend) port() uint16 { return netip.MustParseAddrPort(b.addr).Port() }

func (b *backend) drain() {
	if r := b.take(); r != nil {
		r.drain()
		b.served.Wait()
	}
}

func (b *backend) kill() {
	if r := b.take(); r != nil {
		r.kill()
		b.served.Wait()
	}
}

func (b *backend) take() runner {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.run
	b.run = nil
	return r
}

func (b *backend) call(ctx context.Context, req *text) (*text, error) {
	b.calls.Add(1)
	s, err := (*b.handle.Load())(ctx, req.Value)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(s), nil
}

func echo(_ context.Context, req string) (string, error) { return req, nil }

var quiet = slog.New(slog.DiscardHandler)

// naruServer makes a backend's server with naru.
func naruServer(opts ...naru.ServerOption) func(*backend) runner {
	return func(b *backend) runner {
		srv, err := naru.NewServer(append([]naru.ServerOption{naru.WithLogger(quiet)}, opts...)...)
		if err != nil {
			b.t.Fatal(err)
		}
		srv.RegisterService(&naru.ServiceDesc{Name: service, Methods: []naru.MethodDesc{
			stub.UnaryHandler(idempotent, b.call), stub.UnaryHandler(plain, b.call),
		}})
		return naruRunner{srv}
	}
}

type naruRunner struct{ srv *naru.Server }

func (r naruRunner) serve(lis net.Listener) { _ = r.srv.Serve(lis) }
func (r naruRunner) kill()                  { _ = r.srv.Close() }
func (r naruRunner) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = r.srv.Shutdown(ctx)
}

// grpcServer makes it with grpc-go.
func grpcServer(opts ...grpc.ServerOption) func(*backend) runner {
	return func(b *backend) runner {
		srv := grpc.NewServer(opts...)
		method := func(name string) grpc.MethodDesc {
			return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, dec func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
				req := new(text)
				if err := dec(req); err != nil {
					return nil, err
				}
				if intercept == nil {
					return b.call(ctx, req)
				}
				return intercept(ctx, req, &grpc.UnaryServerInfo{FullMethod: "/" + service + "/" + name},
					func(ctx context.Context, _ any) (any, error) { return b.call(ctx, req) })
			}}
		}
		srv.RegisterService(&grpc.ServiceDesc{
			ServiceName: service, HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{method("Get"), method("Add")},
		}, b)
		return grpcRunner{srv}
	}
}

type grpcRunner struct{ srv *grpc.Server }

func (r grpcRunner) serve(lis net.Listener) { _ = r.srv.Serve(lis) }
func (r grpcRunner) kill()                  { r.srv.Stop() }
func (r grpcRunner) drain()                 { r.srv.GracefulStop() }

// bothStacks runs a test with servers of either kind.
func bothStacks(t *testing.T, naruOpts []naru.ServerOption, grpcOpts []grpc.ServerOption, f func(t *testing.T, make func(*backend) runner)) {
	t.Helper()
	t.Run("naru", func(t *testing.T) { f(t, naruServer(naruOpts...)) })
	t.Run("grpc-go", func(t *testing.T) { f(t, grpcServer(grpcOpts...)) })
}

func maxAge(d time.Duration) ([]naru.ServerOption, []grpc.ServerOption) {
	return []naru.ServerOption{naru.WithKeepalive(naru.Keepalive{MaxConnectionAge: d, MaxConnectionAgeGrace: time.Minute})},
		[]grpc.ServerOption{grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: d})}
}

// fakeDNS is the name server of clients in these tests.
type fakeDNS struct {
	mu  sync.Mutex
	ips []netip.Addr
}

func (d *fakeDNS) set(hosts ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ips = nil
	for _, h := range hosts {
		d.ips = append(d.ips, netip.MustParseAddr(h))
	}
}

func (d *fakeDNS) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]netip.Addr(nil), d.ips...), nil
}

func (d *fakeDNS) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, fmt.Errorf("no SRV records")
}

func (d *fakeDNS) LookupTXT(context.Context, string) ([]string, error) {
	return nil, fmt.Errorf("no TXT records")
}

func (d *fakeDNS) LookupPort(_ context.Context, _, port string) (n int, err error) {
	_, err = fmt.Sscan(port, &n)
	return n, err
}

// dial makes a client whose target is the backends given.
func dial(t testing.TB, backends []*backend, opts ...naru.ClientOption) *naru.Client {
	t.Helper()
	var addrs []string
	for _, b := range backends {
		addrs = append(addrs, b.addr)
	}
	return dialTarget(t, "test:///backends", append(opts,
		naru.WithResolvers(resolver.Static("test", resolver.EndpointsOf(addrs...)...)))...)
}

func dialTarget(t testing.TB, target string, opts ...naru.ClientOption) *naru.Client {
	t.Helper()
	c, err := naru.NewClient(target, append([]naru.ClientOption{naru.WithPlaintext(), naru.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func invoke(ctx context.Context, c *naru.Client, m *naru.MethodInfo, req string, opts ...naru.CallOption) (string, error) {
	res := new(text)
	err := c.Invoke(ctx, m, wrapperspb.String(req), res, opts...)
	return res.Value, err
}
