package features

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// text is the message of the test service.
type text = wrapperspb.StringValue

var (
	plain      = &naru.MethodInfo{FullMethod: "/test.Features/Add"}
	idempotent = &naru.MethodInfo{FullMethod: "/test.Features/Get", Idempotency: naru.Idempotent}
	watch      = &naru.MethodInfo{FullMethod: "/test.Features/Watch", Kind: naru.KindServerStream}
)

// quiet discards what is logged.
var quiet = slog.New(slog.DiscardHandler)

// backend is a naru server on a network in memory. Its unary methods answer with its name unless
// handle says otherwise.
type backend struct {
	f      *fleet
	name   string // also its address
	opts   []naru.ServerOption
	handle atomic.Pointer[func(ctx context.Context, req string) (string, error)]
	calls  atomic.Int64
	conns  atomic.Int64 // ever accepted

	srv   *naru.Server
	ended chan struct{} // closed when Serve has returned
}

// fleet is some backends. All of a test runs in virtual time.
type fleet struct {
	t       *testing.T
	net     *narutest.Network
	bs      []*backend
	clients []*naru.Client
	dials   atomic.Int64
}

// virtual runs f in virtual time with backends of the given names up, and ends what it started.
func virtual(t *testing.T, f func(t *testing.T, fl *fleet), names ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fl := &fleet{t: t, net: narutest.NewNetwork()}
		for _, n := range names {
			fl.start(n)
		}
		defer fl.end()
		f(t, fl)
	})
}

func (fl *fleet) end() {
	for _, c := range fl.clients {
		_ = c.Close()
	}
	for _, b := range fl.bs {
		b.kill()
	}
}

// start adds a backend.
func (fl *fleet) start(name string, opts ...naru.ServerOption) *backend {
	b := &backend{f: fl, name: name, opts: opts}
	b.does(func(context.Context, string) (string, error) { return name, nil })
	fl.bs = append(fl.bs, b)
	b.up()
	return b
}

func (b *backend) does(f func(ctx context.Context, req string) (string, error)) { b.handle.Store(&f) }

func (b *backend) serve(ctx context.Context, req *text) (*text, error) {
	b.calls.Add(1)
	res, err := (*b.handle.Load())(ctx, req.Value)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(res), nil
}

func (b *backend) desc() *naru.ServiceDesc {
	return &naru.ServiceDesc{Name: "test.Features", Methods: []naru.MethodDesc{
		stub.UnaryHandler(plain, b.serve),
		stub.UnaryHandler(idempotent, b.serve),
		stub.ServerStreamHandler(watch, func(req *text, s naru.ServerStreamingServer[text]) error {
			b.calls.Add(1)
			if err := s.Send(wrapperspb.String(b.name)); err != nil {
				return err
			}
			<-s.Context().Done()
			return s.Context().Err()
		}),
	}}
}

func (b *backend) up() {
	b.f.t.Helper()
	srv, err := naru.NewServer(append([]naru.ServerOption{naru.WithLogger(quiet)}, b.opts...)...)
	if err != nil {
		b.f.t.Fatal(err)
	}
	srv.RegisterService(b.desc())
	lis, err := b.f.net.Listen(b.name)
	if err != nil {
		b.f.t.Fatal(err)
	}
	b.srv, b.ended = srv, make(chan struct{})
	go func(ended chan struct{}) {
		defer close(ended)
		_ = srv.Serve(countingListener{lis, &b.conns})
	}(b.ended)
}

func (b *backend) kill() {
	_ = b.srv.Close()
	<-b.ended
}

type countingListener struct {
	net.Listener
	n *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return nc, err
}

// dial counts what clients dial.
func (fl *fleet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	fl.dials.Add(1)
	return fl.net.Dial(ctx, network, addr)
}

// client returns a client of all backends, in order.
func (fl *fleet) client(opts ...naru.ClientOption) *naru.Client {
	var names []string
	for _, b := range fl.bs {
		names = append(names, b.name)
	}
	return fl.clientOf("fleet:///all", append(opts, naru.WithResolvers(resolver.Static("fleet", resolver.EndpointsOf(names...)...)))...)
}

func (fl *fleet) clientOf(target string, opts ...naru.ClientOption) *naru.Client {
	fl.t.Helper()
	c, err := naru.NewClient(target, append([]naru.ClientOption{
		naru.WithPlaintext(), naru.WithLogger(quiet), naru.WithDialer(fl.dial)}, opts...)...)
	if err != nil {
		fl.t.Fatal(err)
	}
	fl.clients = append(fl.clients, c)
	return c
}

// get makes one call and returns the name of the backend that answered.
func get(c *naru.Client, opts ...naru.CallOption) (string, error) {
	var res text
	err := c.Invoke(context.Background(), idempotent, wrapperspb.String("q"), &res, append([]naru.CallOption{naru.WithTimeout(10 * time.Second)}, opts...)...)
	return res.Value, err
}

// want makes one call and returns who answered; a failure ends the test.
func want(t *testing.T, c *naru.Client, opts ...naru.CallOption) string {
	t.Helper()
	name, err := get(c, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// spread makes n calls, one after another, and counts who answered.
func spread(t *testing.T, c *naru.Client, n int, opts ...naru.CallOption) map[string]int {
	t.Helper()
	count := map[string]int{}
	for range n {
		count[want(t, c, opts...)]++
	}
	return count
}

// ready connects, and waits until connections under way are made.
func ready(t *testing.T, c *naru.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// many makes n calls at once.
func many(c *naru.Client, n int, opts ...naru.CallOption) (errs []error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := get(c, opts...); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	wg.Wait()
	return errs
}

func json(policy, config string) naru.ClientOption {
	return naru.WithServiceConfigJSON(fmt.Sprintf(`{"loadBalancingConfig":[{%q:%s}]}`, policy, config))
}
