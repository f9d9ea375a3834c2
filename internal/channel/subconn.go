package channel

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// subConn is one address: its connections and the attempts to make them. gRFC A105, "Backoff
// Behavior and Connectivity State": the first line that applies.
//
//	READY              at least one connection
//	CONNECTING         an attempt is under way
//	TRANSIENT_FAILURE  the last attempt failed, its backoff runs
//	IDLE               otherwise
type subConn struct {
	// immutable
	ch   *Channel
	host *policyHost
	addr resolver.Address
	opts balancer.SubConnOptions

	// owned by the event loop
	state       connectivity.State // last told to the balancer
	stopped     bool               // Shutdown; nothing is told any more
	attempt     *attempt           // under way, nil if none
	stopBackoff func()             // the running backoff, nil if none
	failures    int                // attempts in a row that failed
	lastErr     error              // of the last attempt or connection that failed
	stopTrim    func()             // the timer that closes additional connections, nil if none
	health      *side              // nil: health is not watched
	gate        healthGate         // bounds the changes of health that are told
	load        *side              // nil: load reports are not wanted

	slots slots
}

// attempt is one attempt to connect.
type attempt struct {
	cancel context.CancelFunc
	start  time.Time
	// backoff is the time from start to the next attempt if this one fails (connection-backoff.md:
	// the wait is counted from the start of the attempt).
	backoff time.Duration
	// again: made at once, after one whose connection the server drained before it was ready.
	again bool
}

func newSubConn(h *policyHost, addr resolver.Address, opts balancer.SubConnOptions) *subConn {
	s := &subConn{ch: h.ch, host: h, addr: addr, opts: opts}
	s.slots.sub = s
	return s
}

// Address implements balancer.SubConn.
func (s *subConn) Address() resolver.Address { return s.addr }

// Connect implements balancer.SubConn.
func (s *subConn) Connect() {
	if s.state == connectivity.Idle && s.attempt == nil && s.stopBackoff == nil {
		s.connect()
	}
}

// Shutdown implements balancer.SubConn.
func (s *subConn) Shutdown() { s.shutdown() }

// connect starts an attempt.
func (s *subConn) connect() {
	if s.stopped {
		return
	}
	a := &attempt{start: time.Now(), backoff: s.ch.cfg.Backoff.Delay(s.failures, rand.Float64())}
	// connection-backoff.md: an attempt is given until its backoff is over, and MIN_CONNECT_TIMEOUT
	// at least.
	timeout := max(a.backoff, s.ch.cfg.ConnectTimeout)
	ctx, cancel := context.WithTimeout(s.ch.ctx, timeout)
	a.cancel = cancel
	s.attempt = a
	s.update()
	try := s.ch.trying.begin(s.addr.String())
	s.ch.wg.Go(func() {
		t, err := s.dial(ctx, try)
		s.ch.trying.end(try)
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = withTimeout(s.addr, timeout, err)
		}
		cancel()
		s.ch.loop.wait(func() { s.dialed(a, t, err) })
	})
}

// dialGrace is how long a dial function may take to return after its context has ended.
const dialGrace = time.Second

var errDialHangs = errors.New("the dial function did not return when its context ended")

// dial calls the dial function, and does not wait for one that ignores its context: neither the
// address nor Close must hang on it. What it returns in the end is closed.
func (s *subConn) dial(ctx context.Context, try *try) (transport.ClientConn, error) {
	type result struct {
		t   transport.ClientConn
		err error
	}
	done := make(chan result, 1) // 1: nobody may be there to receive any more
	go func() {
		var t transport.ClientConn
		to, err := s.ch.destination(s.addr)
		to.Reached = try.reached
		if err == nil {
			t, err = s.ch.cfg.Dial(ctx, to)
		}
		done <- result{t, err}
	}()
	select {
	case r := <-done:
		return r.t, r.err
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r.t, r.err
	case <-time.After(dialGrace):
	}
	go func() {
		if r := <-done; r.err == nil {
			r.t.Close(nil)
		}
	}()
	return nil, errDialHangs
}

func (s *subConn) dialed(a *attempt, t transport.ClientConn, err error) {
	if s.attempt == a {
		s.attempt = nil
	}
	if s.stopped {
		if err == nil {
			t.Close(nil)
			s.ch.wg.Go(func() { <-t.Done() })
		}
		return
	}
	if err != nil {
		s.attemptFailed(a, err)
		return
	}
	s.failures = 0
	s.ch.cfg.Logger.Debug("connected", "target", s.ch.name, "address", s.addr.String())
	c := newConn(s, t)
	s.ch.wg.Go(c.watch)
	s.slots.add(c)
	s.trimLater()
	s.tendSides()
	s.update()
	s.grow() // more calls may wait than this connection takes
}

func (s *subConn) attemptFailed(a *attempt, err error) {
	f := asFailure(s.addr, err)
	s.failed(f)
	// A server that drains a connection in good order, because it restarts or the connection has
	// its age, has not failed: one that is slow to come is drained before it is ready. One further
	// attempt is made at once, and calls wait for it as they would for the first.
	if f.Reason == connectivity.GoAway && f.Code == 0 && s.failures == 0 && !a.again && s.attempt == nil {
		s.connect()
		s.attempt.again = true
		return
	}
	s.backOff(a.backoff - time.Since(a.start))
	s.update()
}

// enhanceYourCalm: RFC 9113 §7.
const enhanceYourCalm = 0xb

func (s *subConn) failed(f *connectivity.Failure) {
	s.lastErr = f
	s.ch.failures.add(f)
	if f.Reason == connectivity.GoAway && f.Code == enhanceYourCalm && strings.Contains(f.Text, "too_many_pings") && s.ch.cfg.OnTooManyPings != nil {
		s.ch.cfg.OnTooManyPings() // gRFC A8: "the client should double its keepalive interval"
	}
	level, msg := slog.LevelInfo, "connection failed"
	if f.Reason == connectivity.GoAway && f.Code == 0 {
		level, msg = slog.LevelDebug, "connection closed by the peer" // NO_ERROR: it restarts, or was there long enough
	}
	s.ch.logFailure(level, msg, f)
}

// backOff keeps the next attempt from being made before d is over.
func (s *subConn) backOff(d time.Duration) {
	s.failures++
	if s.stopBackoff != nil {
		s.stopBackoff() // of an attempt for a further connection
	}
	s.stopBackoff = s.ch.afterFunc(max(d, 0), func() {
		s.stopBackoff = nil
		s.update()
		s.grow() // calls may wait for a further connection
	})
}

// connLost is called when c takes no new calls. Those under way may finish.
func (s *subConn) connLost(c *conn) {
	if !s.slots.remove(c) {
		return // shutdown had it already
	}
	s.ch.leaving[c] = struct{}{}
	if f := c.failure(); f != nil {
		s.failed(f)
	}
	// A peer that accepts connections and ends them at once must not be connected to in a loop. The
	// first one that came to nothing is taken for bad luck: a server that restarts looks like that.
	if n := s.slots.fruitless; n > 1 {
		s.failures = n - 2
		s.backOff(s.ch.cfg.Backoff.Delay(n-2, rand.Float64()) - time.Since(c.since))
	}
	s.tendSides()
	s.update()
	s.grow()
}

// update works out the state and tells the balancer of a change.
func (s *subConn) update() {
	if s.stopped {
		return
	}
	var st connectivity.State
	switch {
	case len(s.list()) > 0:
		st = connectivity.Ready
	case s.attempt != nil:
		st = connectivity.Connecting
	case s.stopBackoff != nil:
		st = connectivity.TransientFailure
	default:
		st = connectivity.Idle
	}
	if st == s.state {
		return
	}
	s.state = st
	e := balancer.SubConnState{State: st}
	if st == connectivity.TransientFailure || st == connectivity.Idle {
		e.Err = s.lastErr
	}
	// In an event of its own: the balancer may be the one that called.
	s.ch.loop.do(func() { s.tell(e) })
}

func (s *subConn) tell(e balancer.SubConnState) {
	if s.stopped {
		return
	}
	s.opts.OnState(e)
	if e.State == connectivity.Ready {
		s.watchHealth()
	}
}

// shutdown ends the subConn: connections finish the calls they have.
func (s *subConn) shutdown() {
	if s.stopped {
		return
	}
	s.stopped = true
	delete(s.ch.subs, s)
	delete(s.host.subs, s)
	if s.attempt != nil {
		s.attempt.cancel()
	}
	if s.stopBackoff != nil {
		s.stopBackoff()
	}
	if s.stopTrim != nil {
		s.stopTrim()
	}
	conns := s.slots.close()
	s.tendSides()
	for _, c := range conns {
		s.ch.leaving[c] = struct{}{}
		c.t.Drain("the client does not need the address any more")
	}
}

func (s *subConn) list() []*conn { return s.slots.list() }
