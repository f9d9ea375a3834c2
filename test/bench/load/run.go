package load

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// A run is one measurement on its way.
type run struct {
	// immutable after newRun
	cfg     Config
	clients []echo.Client
	base    time.Time     // durations below count from here
	start   time.Duration // of the measured window
	end     time.Duration
	due     chan time.Duration // open loop: when each call is due; nil in a closed loop
	payload []byte
	enough  context.CancelFunc // ends the run early

	// atomic
	done atomic.Int64 // calls counted, if cfg limits them

	// guarded by mu
	mu       sync.Mutex
	hist     Histogram
	calls    uint64
	errors   uint64
	firstErr error
	besides  uint64 // messages of the streams beside
}

// Run connects every client with one call, then puts the load of cfg on them and waits until it is
// over, ctx ends, or cfg.Calls are made. It returns an error for a bad cfg, and if a client cannot
// connect; calls that fail later are counted in the result.
func Run(ctx context.Context, clients []echo.Client, cfg Config) (*Result, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, clients: clients, payload: fill(cfg.Size)}
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if cfg.Rate > 0 {
		// The pacer's sleep holds a processor until the runtime takes it back; one more keeps
		// it from taking a caller's.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1))
		r.due = make(chan time.Duration, int(cfg.Rate*(cfg.Duration+cfg.Warmup).Seconds())+1)
	}
	r.base = time.Now()
	r.start = cfg.Warmup
	r.end = cfg.Warmup + cfg.Duration
	return r.measure(ctx)
}

// measure starts everything, reads the meters at both ends of the window, and waits.
func (r *run) measure(ctx context.Context) (*Result, error) {
	ctx, cancel := context.WithDeadline(ctx, r.base.Add(r.end))
	defer cancel()
	r.enough = cancel

	var all sync.WaitGroup
	if r.due != nil {
		all.Go(func() { r.pace(ctx) })
	}
	if r.cfg.Beside > 0 {
		for _, c := range r.clients {
			all.Go(func() { r.beside(ctx, c) })
		}
	}
	var callers sync.WaitGroup
	for i := range r.cfg.Callers {
		callers.Go(func() { r.caller(ctx, i) })
	}
	all.Go(func() {
		callers.Wait()
		cancel() // they end before the time only if all have given up
	})

	sleepUntil(ctx, r.base.Add(r.start))
	before := ReadMeters()
	sleepUntil(ctx, r.base.Add(r.end))
	after := ReadMeters()
	measured := min(r.now(), r.end) - r.start
	all.Wait()
	return r.result(before, after, measured), nil
}

func (r *run) now() time.Duration { return time.Since(r.base) }

// over tells that an error came from the end of the run and is none.
func (r *run) over(ctx context.Context) bool {
	return ctx.Err() != nil || r.now() >= r.end
}

// connect makes one call on every connection, a few connections at a time.
func (r *run) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	const atOnce = 16
	slots := make(chan struct{}, atOnce) // bounds the connections under way
	errs := make(chan error, len(r.clients))
	for i, c := range r.clients {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			if _, err := c.Unary(ctx, &benchpb.Message{Message: "hello"}); err != nil {
				errs <- fmt.Errorf("connection %d: first call: %w", i, err)
				return
			}
			errs <- nil
		}()
	}
	for range r.clients {
		if err := <-errs; err != nil {
			return err
		}
	}
	return nil
}

// add takes over what a caller counted.
func (r *run) add(t *tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hist.Merge(&t.hist)
	r.calls += t.calls
	r.errors += t.errors
	r.besides += t.beside
	if r.firstErr == nil {
		r.firstErr = t.firstErr
	}
}

func (r *run) result(before, after Meters, measured time.Duration) *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	res := &Result{
		Mode: r.cfg.Mode, Conns: len(r.clients), Callers: r.cfg.Callers, Size: r.cfg.Size, Rate: r.cfg.Rate,
		Seconds: max(0, measured.Seconds()),
		Calls:   r.calls, Errors: r.errors, Latency: latencyOf(&r.hist),
	}
	if r.firstErr != nil {
		res.FirstError = r.firstErr.Error()
	}
	if res.Seconds > 0 {
		res.CallsPerSecond = float64(r.calls) / res.Seconds
		res.BesideMegabytesPerSecond = float64(r.besides) * float64(r.cfg.Beside) / res.Seconds / 1e6
	}
	res.MessagesPerSecond = res.CallsPerSecond
	res.MegabytesPerSecond = res.MessagesPerSecond * float64(r.cfg.Size) / 1e6
	if r.calls > 0 {
		res.CPUMicrosPerCall = float64((after.CPU - before.CPU).Microseconds()) / float64(r.calls)
		res.AllocsPerCall = float64(after.Allocs-before.Allocs) / float64(r.calls)
	}
	return res
}

// Meters are this process's counters at one moment.
type Meters struct {
	CPU    time.Duration // user and system
	Allocs uint64        // objects allocated on the heap since the start
}

// ReadMeters reads them. It does not stop the world.
func ReadMeters() Meters {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}}
	metrics.Read(sample)
	return Meters{CPU: cpuTime(), Allocs: sample[0].Value.Uint64() + sample[1].Value.Uint64()}
}

func sleepUntil(ctx context.Context, t time.Time) {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fill makes a payload that no compressor would shrink and no page would share.
func fill(n int) []byte {
	p := make([]byte, n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = byte(x)
	}
	return p
}
