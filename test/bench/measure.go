package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/load"
)

func (c client) callRate(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	return c.perSecond(ctx, b, impl, func(res *load.Result) float64 { return res.MessagesPerSecond })
}

func (c client) byteRate(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	return c.perSecond(ctx, b, impl, func(res *load.Result) float64 { return res.MegabytesPerSecond })
}

// perSecond measures a rate, per second of the clock or of processor time.
func (c client) perSecond(ctx context.Context, b *bench, impl echo.Impl, rate func(*load.Result) float64) (float64, error) {
	if !b.cpu {
		res, err := c.run(ctx, b, impl)
		if err != nil {
			return 0, err
		}
		return rate(res), nil
	}
	if impl == echo.CPP {
		return 0, errors.New("does not tell its processor time")
	}
	s, err := b.startServer(ctx, impl, serverOptions{tls: c.tls})
	if err != nil {
		return 0, err
	}
	defer s.stop()
	res, used, err := c.metered(ctx, b, impl, s)
	if err != nil {
		return 0, err
	}
	secondsPerCall := (used.CPU + res.CPUMicrosPerCall) / 1e6
	return rate(res) / res.CallsPerSecond / secondsPerCall, nil
}

// metered runs the load and returns what the server used per call.
func (c client) metered(ctx context.Context, b *bench, impl echo.Impl, s *serverProcess) (*load.Result, meters, error) {
	before, err := s.meters()
	if err != nil {
		return nil, meters{}, err
	}
	res, err := c.against(ctx, b, impl, s.addr)
	if err != nil {
		return nil, meters{}, err
	}
	after, err := s.meters()
	if err != nil {
		return nil, meters{}, err
	}
	// The server has also served the warm-up, which the client does not count; its half second
	// is taken to have had the same rate.
	calls := float64(res.Calls) * (1 + 0.5/res.Seconds)
	return res, meters{CPU: (after.CPU - before.CPU) / calls, Allocs: (after.Allocs - before.Allocs) / calls}, nil
}

// messageAllocs are those of the answer, or of the request, itself: the message and its string.
const messageAllocs = 2

var busyUnary = client{mode: load.Unary, conns: 1, callers: 100}

func clientAllocs(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	res, err := busyUnary.run(ctx, b, impl)
	if err != nil {
		return 0, err
	}
	return res.AllocsPerCall - messageAllocs, nil
}

func serverAllocs(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	s, err := b.startServer(ctx, impl, serverOptions{})
	if err != nil {
		return 0, err
	}
	defer s.stop()
	_, used, err := busyUnary.metered(ctx, b, impl, s)
	return used.Allocs - messageAllocs, err
}

// halfPeak is the p99 of an open loop at half the rate grpc-go reaches in a closed one.
func halfPeak(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	if b.peak == 0 {
		res, err := busyUnary.run(ctx, b, echo.GRPCGo)
		if err != nil {
			return 0, err
		}
		b.peak = res.CallsPerSecond
	}
	c := busyUnary
	c.rate = b.peak / 2
	res, err := c.run(ctx, b, impl)
	if err != nil {
		return 0, err
	}
	if res.CallsPerSecond < 0.9*c.rate {
		return 0, fmt.Errorf("only %.0f of %.0f calls/s were finished in time", res.CallsPerSecond, c.rate)
	}
	return res.Latency.P99, nil
}

// thrice is the median of three measurements, for figures that divide one of them by another: a
// moment in which other tenants have the machine makes those twice as wrong.
func thrice(measure func(context.Context, *bench, echo.Impl) (float64, error)) func(context.Context, *bench, echo.Impl) (float64, error) {
	return func(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
		var all []float64
		for range 3 {
			v, err := measure(ctx, b, impl)
			if err != nil {
				return 0, err
			}
			all = append(all, v)
		}
		return median(all), nil
	}
}

// dataFrame is how much a sender may have put before a small call that comes in the middle of a
// message.
const dataFrame = 16 << 10

// fairness is the p99 of a small call while a stream of messages of this size runs on the same
// connection, less the time the stream takes for one frame, against its p99 alone.
func fairness(message int) func(context.Context, *bench, echo.Impl) (float64, error) {
	return func(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
		s, err := b.startServer(ctx, impl, serverOptions{})
		if err != nil {
			return 0, err
		}
		defer s.stop()
		c := client{mode: load.Unary, conns: 1, callers: 1, size: 1000}
		alone, err := c.against(ctx, b, impl, s.addr)
		if err != nil {
			return 0, err
		}
		c.beside = message
		beside, err := c.against(ctx, b, impl, s.addr)
		if err != nil {
			return 0, err
		}
		if beside.BesideMegabytesPerSecond == 0 {
			return 0, fmt.Errorf("the stream beside the calls stood still")
		}
		frame := dataFrame / beside.BesideMegabytesPerSecond // in microseconds, as latencies are
		return (beside.Latency.P99 - frame) / alone.Latency.P99, nil
	}
}

// idleTime is how long connections rest before they are weighed: naru's read loops give their
// stacks back after five seconds.
const idleTime = 7 * time.Second

// memory is what a server's resident memory grows by per connection that made one call and
// then rests.
type memory struct {
	conns int
	tls   bool
}

func (m memory) perConn(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	s, err := b.startServer(ctx, impl, serverOptions{tls: m.tls})
	if err != nil {
		return 0, err
	}
	defer s.stop()
	rest := func() (float64, error) {
		if impl != echo.CPP { // which keeps no heap to return
			if _, err := s.meters(); err != nil {
				return 0, err
			}
		}
		return s.residentBytes()
	}
	// The first connection pays for code and tables that are there once.
	if err := m.hold(ctx, b, s, 1, func() error { return nil }); err != nil {
		return 0, err
	}
	before, err := rest()
	if err != nil {
		return 0, err
	}
	var after float64
	err = m.hold(ctx, b, s, m.conns, func() error {
		after, err = rest()
		return err
	})
	return (after - before) / float64(m.conns) / 1000, err
}

// hold calls f while n idle connections are open. The client is the same for every server.
func (m memory) hold(ctx context.Context, b *bench, s *serverProcess, n int, f func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free, err := s.files()
	if err != nil {
		return err
	}
	c := client{mode: load.Idle, conns: n, callers: 1, tls: m.tls}
	done := make(chan error, 1) // the client's end, heard or not
	hold := *b
	hold.duration = time.Hour
	go func() {
		_, err := c.against(ctx, &hold, echo.GRPCGo, s.addr)
		done <- err
	}()
	patience := time.After(2 * time.Minute)
	for {
		select {
		case err := <-done:
			return fmt.Errorf("client that was to hold %d connections ended: %w", n, err)
		case <-patience:
			return fmt.Errorf("%d connections were not made within 2 minutes", n)
		case <-time.After(200 * time.Millisecond):
		}
		if now, err := s.files(); err != nil {
			return err
		} else if now < free+n-n/100 { // a descriptor or two of an earlier client may just have gone
			continue
		}
		time.Sleep(idleTime) // from the last ones' first call on
		err := f()
		cancel()
		<-done
		return err
	}
}

// kept is the share of throughput, in percent, that a server keeps when there are 10,000
// connections with ten streams each instead of ten. The client is replay: h2load uses its processor
// up with so many. A round of all 100,000 calls takes a third of a second: so both are measured for
// twice the usual time, and after a longer warm-up, when the server has made what 10,000
// connections need.
func kept(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	longer := *b
	longer.duration *= 2
	few, err := replayed{conns: 10, streams: 10, warmup: 3 * time.Second}.rate(ctx, &longer, impl)
	if err != nil {
		return 0, err
	}
	many, err := replayed{conns: 10_000, streams: 10, warmup: 3 * time.Second}.rate(ctx, &longer, impl)
	if err != nil {
		return 0, err
	}
	return 100 * many / few, nil
}
