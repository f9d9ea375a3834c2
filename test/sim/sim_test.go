package sim

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/faultnet"
	"github.com/naru-rpc/naru/test/internal/racing"
	"github.com/naru-rpc/naru/test/internal/wirecheck"
)

var (
	seeds = flag.Int("seeds", 200, "how many lives to simulate")
	seed  = flag.Uint64("seed", 0, "the one seed to run; 0: the first -seeds of them")
	runs  = flag.Int("runs", 1, "how often to run each seed")
)

func TestMain(m *testing.M) {
	flag.Parse()
	leak.VerifyTestMain(m)
}

func TestLives(t *testing.T) {
	if racing.Enabled {
		*seeds = min(*seeds, 50)
	}
	first, last := uint64(1), uint64(*seeds)
	if *seed != 0 {
		first, last = *seed, *seed
	}
	total := make(map[codes.Code]int)
	for s := first; s <= last; s++ {
		for range *runs {
			synctest.Test(t, func(t *testing.T) { newLife(t, s).run(total) })
			if t.Failed() {
				t.Fatalf("run it again: cd test && go test -count=1 -v ./sim -args -seed %d -runs 20", s)
			}
		}
	}
	t.Logf("%d lives; calls by status: %v", last-first+1, total)
	for _, c := range []codes.Code{codes.OK, codes.Unavailable, codes.Canceled, codes.DeadlineExceeded} {
		if *seed == 0 && *seeds >= 100 && total[c] == 0 {
			t.Errorf("no call ended with %v: the faults do not do what they should", c)
		}
	}
}

// A life is one simulation.
type life struct {
	t       *testing.T
	seed    uint64
	network *memnet.Network
	client  *naru.Client
	echo    benchpbnaru.EchoClient
	end     chan struct{} // closed when the calls have ended

	mu     sync.Mutex
	rng    *rand.Rand         // guarded by mu
	ran    map[int64]int      // how often the call of this number ran; guarded by mu
	most   map[int64]int      // how often it may, if not once; guarded by mu
	got    map[int64]int64    // messages the server's side of a stream received; guarded by mu
	ends   map[codes.Code]int // guarded by mu
	conns  []net.Conn         // guarded by mu
	server *naru.Server       // guarded by mu
	wg     sync.WaitGroup     // servers
}

func newLife(t *testing.T, seed uint64) *life {
	return &life{
		t: t, seed: seed, network: &memnet.Network{}, end: make(chan struct{}),
		rng: rand.New(rand.NewPCG(seed, 1)), ran: make(map[int64]int), most: make(map[int64]int), got: make(map[int64]int64), ends: make(map[codes.Code]int),
	}
}

// n draws a number below most.
func (l *life) n(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(most)
}

// pause draws a time up to most and waits for it.
func (l *life) pause(most time.Duration) { <-time.After(time.Duration(l.n(int(most)))) }

var quiet = naru.WithLogger(slog.New(slog.DiscardHandler))

const lifetime = 30 * time.Second

func (l *life) run(total map[codes.Code]int) {
	l.startServer()
	var err error
	l.client, err = naru.NewClient("passthrough:///server", naru.WithPlaintext(), quiet, l.limits(), naru.WithDialer(l.dial),
		naru.WithBackoff(connectivity.Backoff{BaseDelay: 100 * time.Millisecond, Multiplier: 1.5, Jitter: 0.2, MaxDelay: time.Second}))
	if err != nil {
		l.t.Fatal(err)
	}
	l.echo = benchpbnaru.NewEchoClient(l.client)
	var faults sync.WaitGroup
	faults.Add(1)
	go func() { defer faults.Done(); l.mischief() }()
	var calls sync.WaitGroup
	for caller := range 2 + l.n(8) {
		calls.Add(1)
		go func() {
			defer calls.Done()
			for i := range 1 + l.n(10) {
				l.pause(500 * time.Millisecond)
				l.call(int64(caller*1000 + i + 1))
			}
		}()
	}
	calls.Wait()
	close(l.end)
	faults.Wait()
	_ = l.client.Close()
	l.stopServer(time.Second)
	l.wg.Wait()
	<-time.After(time.Second) // handlers of calls that were cut off see it and return
	if n := l.server.OpenCalls(); n != 0 {
		l.t.Errorf("seed %d: the server still counts %d calls", l.seed, n)
	}
	l.check(total)
}

// check looks at what must hold of every life.
func (l *life) check(total map[codes.Code]int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, n := range l.ran {
		if n > max(l.most[id], 1) {
			l.t.Errorf("seed %d: call %d ran %d times, its policy allows %d", l.seed, id, n, max(l.most[id], 1))
		}
	}
	for c, n := range l.ends {
		total[c] += n
	}
}

// limits lets half of all ends give no more than the least window to a connection.
func (l *life) limits() naru.Option {
	if l.n(2) == 0 {
		return naru.WithLimits(limits.Limits{})
	}
	return naru.WithLimits(limits.Limits{ReceiveMemory: 64 << 10})
}

func (l *life) startServer() {
	srv, err := naru.NewServer(quiet, l.limits())
	if err != nil {
		l.t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(srv, handlers{l: l})
	lis, err := l.network.Listen("server")
	if err != nil {
		l.t.Fatal(err)
	}
	l.mu.Lock()
	l.server = srv
	l.mu.Unlock()
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		if err := srv.Serve(checked{lis, l}); err != nil && !errors.Is(err, naru.ErrServerClosed) { // it may be stopped before it began
			l.t.Errorf("seed %d: Serve: %v", l.seed, err)
		}
	}()
}

func (l *life) stopServer(patience time.Duration) {
	l.mu.Lock()
	srv := l.server
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	begun := time.Now()
	_ = srv.Shutdown(ctx) // an incomplete drain is one of the faults
	if took := time.Since(begun); took > patience+time.Second {
		l.t.Errorf("seed %d: Shutdown took %v, its context ended after %v", l.seed, took, patience)
	}
}

// dial makes a connection that may turn out badly.
func (l *life) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	nc, err := l.network.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	r := faultnet.Good
	switch l.n(6) {
	case 0:
		r.CutRead = l.n(5000)
	case 1:
		r.CutWrite = l.n(5000)
	case 2:
		r.Piece = 1 + l.n(50)
	case 3:
		r.Delay = time.Duration(l.n(int(300 * time.Millisecond)))
	}
	l.mu.Lock()
	l.conns = append(l.conns, nc)
	l.mu.Unlock()
	return wirecheck.Client(faultnet.New(nc, r), l.broke("client")), nil
}

// broke reports a rule of HTTP/2 that one end has broken: windows below zero, above all.
func (l *life) broke(end string) func(string, ...any) {
	return func(format string, args ...any) {
		l.t.Errorf("seed %d: the %s sent "+format, append([]any{l.seed, end}, args...)...)
	}
}

// checked is a listener whose connections watch what the server sends.
type checked struct {
	net.Listener
	l *life
}

// Accept implements net.Listener.
func (c checked) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return wirecheck.Server(nc, c.l.broke("server")), nil
}

// mischief cuts connections and restarts the server, until the calls have ended.
func (l *life) mischief() {
	for {
		select {
		case <-l.end:
			return
		case <-time.After(time.Duration(l.n(int(2 * time.Second)))):
		}
		switch l.n(4) {
		case 0:
			l.cut()
		case 1:
			l.stopServer(time.Duration(l.n(int(2 * time.Second))))
			l.pause(time.Second)
			l.startServer()
		}
	}
}

// cut breaks one of the connections, both ways at once.
func (l *life) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) > 0 {
		i := l.rng.IntN(len(l.conns))
		if c, ok := l.conns[i].(*memnet.Conn); ok {
			c.Abort()
		}
	}
}
