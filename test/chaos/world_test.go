package chaos

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/test/internal/faultnet"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// A world is the servers and clients that calls are made with.
type world struct {
	tally
	servers []*pair.Running
	clients []*client

	ended atomic.Int64 // calls
	runs  sync.Map     // how often the handler has begun a call, by its id: *atomic.Int64
}

// A client is one connection pool to one server.
type client struct {
	pair.ClientConn
	stack, server string
	retries       bool // by the configuration of the client, which is grpc-go's way
	breaks        bool // its connections do

	mu   sync.Mutex
	cuts []time.Time // when connections broke, the last few; guarded by mu
}

const (
	connectionAge = 700 * time.Millisecond // after that, servers drain their connections
	attempts      = 3                      // of calls with a policy
)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{tally: tally{counts: make(map[string]int)}}
	serverTLS, clientTLS, err := pair.Certificates()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range pair.Stacks {
		for _, secure := range []bool{false, true} {
			cfg := pair.ServerConfig{Handler: w.serve, Options: []any{
				naru.WithKeepalive(naru.Keepalive{MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: time.Minute}),
				grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: connectionAge, MaxConnectionAgeGrace: time.Minute}),
			}}
			if cfg.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			dial := pair.ClientConfig{}
			if secure {
				cfg.TLS, dial.TLS = serverTLS, clientTLS
			}
			if dial.Server, err = s.Serve(cfg); err != nil {
				t.Fatal(err)
			}
			w.servers = append(w.servers, dial.Server)
			for _, c := range pair.Stacks {
				for _, breaks := range []bool{false, true} {
					for _, retries := range []bool{false, true} {
						w.dial(t, c, s, dial, &client{stack: c.Name, server: s.Name, breaks: breaks, retries: retries})
					}
				}
			}
		}
	}
	return w
}

const retryConfig = `{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.001s",
	"maxBackoff": "0.002s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func (w *world) dial(t *testing.T, stack, _ pair.Stack, cfg pair.ClientConfig, c *client) {
	t.Helper()
	cfg.Options = []any{
		naru.WithBackoff(connectivity.Backoff{BaseDelay: time.Millisecond, MaxDelay: 5 * time.Millisecond}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond}, MinConnectTimeout: 5 * time.Second,
		}),
	}
	if c.retries {
		cfg.Options = append(cfg.Options, naru.WithServiceConfigJSON(retryConfig), grpc.WithDefaultServiceConfig(retryConfig))
	}
	if c.breaks {
		cfg.Dial = c.dial
	}
	var err error
	if c.ClientConn, err = stack.Dial(cfg); err != nil {
		t.Fatal(err)
	}
	w.clients = append(w.clients, c)
}

// dial makes a connection that breaks after some hundred kilobytes.
func (c *client) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	const least, spread = 30_000, 2_000_000 // a TLS handshake passes in any case
	rule := faultnet.Rule{CutRead: least + rand.IntN(spread), CutWrite: least + rand.IntN(spread)}
	return &breaking{Conn: faultnet.New(nc, rule), c: c}, nil
}

// breaking notes when its connection breaks, before anyone else learns of it.
type breaking struct {
	net.Conn
	c *client
}

func (b *breaking) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	b.note(err)
	return n, err
}

func (b *breaking) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	b.note(err)
	return n, err
}

func (b *breaking) note(err error) {
	// The side that is not cut sees the connection closed, maybe first.
	if !errors.Is(err, faultnet.ErrCut) && !errors.Is(err, net.ErrClosed) {
		return
	}
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.cuts = append(b.c.cuts, time.Now())
	if len(b.c.cuts) > 64 {
		b.c.cuts = b.c.cuts[32:]
	}
}

// brokeSince reports whether a connection has broken since then.
func (c *client) brokeSince(then time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cuts) > 0 && c.cuts[len(c.cuts)-1].After(then)
}

func (w *world) close(t *testing.T) {
	t.Helper()
	for _, c := range w.clients {
		if err := c.Close(); err != nil {
			t.Errorf("closing a client of %s: %v", c.stack, err)
		}
	}
	for _, s := range w.servers {
		if err := s.Stop(10 * time.Second); err != nil {
			t.Errorf("stopping a server: %v", err)
		}
		if n := s.OpenCalls(); n > 0 {
			t.Errorf("%d calls are open on a server that has stopped", n)
		}
	}
}

// serve does as the metadata of the call says: "fail" attempts fail with UNAVAILABLE, the others
// take "delay" and echo.
func (w *world) serve(c pair.ServerCall) error {
	id := c.Metadata("id")
	v, _ := w.runs.LoadOrStore(id, new(atomic.Int64))
	run := v.(*atomic.Int64).Add(1)
	number := func(name string) int64 {
		n, err := strconv.ParseInt(c.Metadata(name), 10, 64)
		if err != nil {
			w.fault("call %s: metadata %s: %v", id, name, err)
		}
		return n
	}
	fails, delay := number("fail"), time.Duration(number("delay"))
	if err := errors.Join(c.SetHeader("id", id), c.SetTrailer("id", id)); err != nil {
		return err
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-c.Context().Done():
			return c.Context().Err()
		}
	}
	if run <= fails {
		return &pair.Failure{Code: codes.Unavailable, Message: "injected for " + id, DetailBytes: 100}
	}
	return w.echo(c, id)
}

// echo returns the messages: each at once, or all together where there is one response.
func (w *world) echo(c pair.ServerCall, id string) error {
	one := !strings.HasSuffix(id, "many")
	var all strings.Builder
	for n := 0; ; n++ {
		m, err := c.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if m != content(id, n) {
			w.fault("call %s: the server received %.40q (%d bytes) as message %d", id, m, len(m), n)
		}
		if one {
			all.WriteString(m)
			continue
		}
		if err := c.Send(m); err != nil {
			return err
		}
	}
	if one {
		return c.Send(all.String())
	}
	return nil
}

// content is message n of a call: its size and bytes follow from both.
func content(id string, n int) string {
	rng := rand.New(rand.NewPCG(hash(id), uint64(n)))
	sizes := []int{10, 500, 5_000, 40_000, 66_000, 200_000}
	size := sizes[rng.IntN(len(sizes))] + rng.IntN(10)
	head := id + " " + strconv.Itoa(n) + " "
	unit := strconv.FormatUint(rng.Uint64(), 36)
	return (head + strings.Repeat(unit, size/len(unit)+1))[:max(size, len(head))]
}

func hash(s string) (h uint64) {
	for _, b := range []byte(s) {
		h = h*1099511628211 + uint64(b)
	}
	return h
}
