package hostile

import (
	"context"
	"crypto/tls"
	"flag"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

var (
	attackTime    = flag.Duration("attack", 200*time.Millisecond, "how long each attack lasts")
	assertLatency = flag.Bool("latency", false, "assert that others' p99 stays below five times its quiet value, and the heap's peak with its garbage")
)

func TestMain(m *testing.M) {
	if name := os.Getenv(crewEnv); name != "" {
		os.Exit(attackers(name, os.Getenv(crewAddr)))
	}
	flag.Parse()
	leak.VerifyTestMain(m)
}

// What an attack of ten connections may cost.
const (
	hostiles      = 10
	goroutineMost = 50
)

// A victim is a server under attack, with a well-behaved client.
type victim struct {
	srv    *naru.Server
	addr   string
	client *naru.Client
	echo   benchpbnaru.EchoClient
	free   chan struct{} // closed at the end: lets stuck handlers go
}

func newVictim(t *testing.T, secure bool, opts ...naru.ServerOption) *victim {
	t.Helper()
	dial := naru.ClientOption(naru.WithPlaintext())
	if secure {
		server, client := certificates(t)
		opts, dial = append(slices.Clone(opts), naru.WithTLS(server)), naru.WithTLS(client)
	}
	v := &victim{free: make(chan struct{})}
	var err error
	quiet := naru.WithLogger(slog.New(slog.DiscardHandler))
	opts = append([]naru.ServerOption{naru.WithLimits(limits.Limits{ServerMemory: int(terms.ServerMemory)}), quiet}, opts...)
	if v.srv, err = naru.NewServer(opts...); err != nil {
		t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(v.srv, handlers{free: v.free})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v.addr = lis.Addr().String()
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- v.srv.Serve(lis) }()
	if v.client, err = naru.NewClient(v.addr, dial, quiet); err != nil {
		t.Fatal(err)
	}
	v.echo = benchpbnaru.NewEchoClient(v.client)
	t.Cleanup(func() {
		close(v.free)
		_ = v.client.Close()
		_ = v.srv.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return v
}

func certificates(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	ca, err := devcert.NewAuthority("hostile test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return cert.ServerConfig(), ca.ClientConfig()
}

// handlers do what the request asks for.
type handlers struct {
	benchpbnaru.UnimplementedEchoServer
	free chan struct{}
}

// Requests with a meaning.
var (
	stuck  = message(&benchpb.Message{Message: "stuck"}) // never answered, whatever the client does
	panics = message(&benchpb.Message{Message: "panic"})
)

// large asks for an answer of n bytes.
func large(n int64) []byte { return message(&benchpb.Message{Message: "large", Id: n}) }

func (h handlers) Unary(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	switch m.GetMessage() {
	case "stuck":
		<-h.free // a handler that does not look at its context
	case "panic":
		panic("as asked")
	case "large":
		return &benchpb.Message{Payload: make([]byte, m.GetId())}, nil
	}
	return m, nil
}

// Bidi waits without receiving when it is told to, and echoes otherwise.
func (h handlers) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if m.GetMessage() == "deaf" {
			<-s.Context().Done()
			return s.Context().Err()
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

// A caller makes calls one after the other and keeps how long each took.
type caller struct {
	took []time.Duration
	errs []error
}

func (c *caller) run(echo benchpbnaru.EchoClient, until <-chan struct{}) {
	req := &benchpb.Message{Message: "hello", Payload: make([]byte, 100)}
	for {
		select {
		case <-until:
			return
		default:
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		start := time.Now()
		_, err := echo.Unary(ctx, req)
		cancel()
		if err != nil {
			c.errs = append(c.errs, err)
			return
		}
		c.took = append(c.took, time.Since(start))
	}
}

func (c *caller) quantile(q float64) time.Duration {
	if len(c.took) == 0 {
		return 0
	}
	slices.Sort(c.took)
	return c.took[int(q*float64(len(c.took)-1))]
}

// A sampler keeps the highest heap and number of goroutines it sees. live is what a collection
// found in use; heap is with the garbage, of which there may be as much again, and more when the
// collector gets no processor.
type sampler struct {
	live, heap, goroutines   int64
	counted                  int64 // ServerStats.HeldBytes
	baseHeap, baseGoroutines int64
	last                     [40]int64 // the samples before
	at                       int
	v                        *victim
}

func newSampler(v *victim) *sampler {
	runtime.GC()
	runtime.GC()
	s := &sampler{v: v}
	_, s.baseHeap, s.baseGoroutines = s.read()
	return s
}

func (s *sampler) read() (live, heap, goroutines int64) {
	m := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64()), int64(m[1].Value.Uint64()), int64(m[2].Value.Uint64())
}

// look takes one sample. Goroutines that run handlers are the program's own choice: streams times
// connections bounds them, and limits.md counts them apart.
func (s *sampler) look() {
	before := s.v.srv.OpenCalls()
	s.counted = max(s.counted, s.v.srv.Stats().HeldBytes)
	live, heap, g := s.read()
	s.live = max(s.live, live-s.baseHeap)
	handlers := max(before, s.v.srv.OpenCalls()) // they come and go meanwhile
	s.heap = max(s.heap, heap-s.baseHeap)
	g -= s.baseGoroutines + int64(handlers)
	// Workers on their way from one handler to the next are no growth: it has to last.
	s.last[s.at%len(s.last)] = g
	s.at++
	s.goroutines = max(s.goroutines, slices.Min(s.last[:]))
}

func (s *sampler) run(until <-chan struct{}) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		s.look()
		select {
		case <-tick.C:
		case <-until:
			return
		}
	}
}

// quietWindows is how many windows the quiet p99 is the median of.
const quietWindows = 5

// quiet makes calls undisturbed, for a figure to compare with: the median of the p99 of some
// windows, so that one disturbance from elsewhere does not make the bound meaningless.
func (v *victim) quiet(t *testing.T, d time.Duration) time.Duration {
	t.Helper()
	var p99 []time.Duration
	for range quietWindows {
		c := &caller{}
		v.alongside(func(until <-chan struct{}) { c.run(v.echo, until) })(func() { <-time.After(d / quietWindows) })
		if len(c.errs) > 0 {
			t.Fatalf("a call with nobody attacking: %v", c.errs[0])
		}
		p99 = append(p99, c.quantile(0.99))
	}
	slices.Sort(p99)
	return p99[quietWindows/2]
}

// alongside starts fs and returns a function that lets them run while wait does, then ends and
// awaits them.
func (v *victim) alongside(fs ...func(until <-chan struct{})) func(wait func()) {
	until := make(chan struct{})
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Add(1)
		go func() { defer wg.Done(); f(until) }()
	}
	return func(wait func()) {
		wait()
		close(until)
		wg.Wait()
	}
}

// ended sums what the server counted under tokens ("a|b").
func (v *victim) ended(tokens string) (n uint64) {
	st := v.srv.Stats().Ended
	for _, tok := range strings.Split(tokens, "|") {
		n += st[tok]
	}
	return n
}
