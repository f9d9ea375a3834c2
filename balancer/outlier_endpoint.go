package balancer

import (
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// watchedEndpoint counts the calls of an endpoint and knows whether it is taken away. It is a
// Feedback whose token is the time of the pick, 0 if the call's duration does not count.
type watchedEndpoint struct {
	// immutable
	clock Clock
	key   string
	// atomic: the bucket that counts
	active atomic.Pointer[callBucket]
	// owned by the channel's event loop
	ejected    bool
	since      time.Time // when it was ejected last
	multiplier int
	why        *connectivity.Failure // while ejected
	subs       []*outlierSub
}

// callBucket counts the calls of one interval. Atomic.
type callBucket struct {
	good, failed atomic.Int64
	timed, nanos atomic.Int64 // good unary calls, and how long they took together
}

func newWatchedEndpoint(clock Clock, key string) *watchedEndpoint {
	e := &watchedEndpoint{clock: clock, key: key}
	e.active.Store(&callBucket{})
	return e
}

// swap returns the counts of the interval that ends now.
func (e *watchedEndpoint) swap() sample {
	b := e.active.Swap(&callBucket{})
	return sample{
		e: e, good: float64(b.good.Load()), total: float64(b.good.Load() + b.failed.Load()),
		timed: float64(b.timed.Load()), nanos: float64(b.nanos.Load()),
	}
}

// Done implements Feedback.
func (e *watchedEndpoint) Done(info *DoneInfo, token int64) {
	if !info.Sent || info.Code == codes.Canceled {
		return // says nothing of the endpoint
	}
	b := e.active.Load()
	if info.Code != codes.OK {
		b.failed.Add(1)
		return
	}
	b.good.Add(1)
	if token != 0 {
		b.timed.Add(1)
		b.nanos.Add(e.clock.Now().UnixNano() - token)
	}
}

// eject takes the endpoint away: "set the current ejection timestamp ..., increase the ejection
// time multiplier by 1, and call eject() on each subchannel wrapper".
func (e *watchedEndpoint) eject(now time.Time, why string) {
	e.ejected, e.since = true, now
	e.multiplier++
	e.why = &connectivity.Failure{
		Reason: connectivity.Ejected, Time: now,
		Text: fmt.Sprintf("outlier detection took the backend away: %s", why),
	}
	for _, s := range slices.Clone(e.subs) {
		s.tell()
	}
}

func (e *watchedEndpoint) uneject() {
	if !e.ejected {
		return
	}
	e.ejected, e.why = false, nil
	for _, s := range slices.Clone(e.subs) {
		s.tell()
	}
}

func (e *watchedEndpoint) newSub(host Host, addr resolver.Address, opts SubConnOptions) SubConn {
	s := &outlierSub{e: e, onHealth: opts.OnHealth}
	if opts.OnHealth != nil {
		opts.OnHealth = func(st SubConnState) {
			s.health, s.known = st, true
			s.tell()
		}
		onState := opts.OnState
		opts.OnState = func(st SubConnState) {
			if st.State != connectivity.Ready {
				s.known = false // health is of a connection; the next one has its own
			}
			onState(st)
		}
	}
	s.SubConn = host.NewSubConn(addr, opts)
	e.subs = append(e.subs, s)
	return s
}

// outlierSub is a connection whose health is bad while its endpoint is taken away. Owned by the
// channel's event loop.
type outlierSub struct {
	SubConn
	e        *watchedEndpoint
	onHealth func(SubConnState) // nil: nobody wants to know
	health   SubConnState       // what it is otherwise, if known
	known    bool
}

// Unwrap implements Unwrapper.
func (s *outlierSub) Unwrap() SubConn { return s.SubConn }

func (s *outlierSub) Shutdown() {
	s.known = false
	s.e.subs = slices.DeleteFunc(s.e.subs, func(o *outlierSub) bool { return o == s })
	s.SubConn.Shutdown()
}

// tell reports the health as it is now.
func (s *outlierSub) tell() {
	switch {
	case s.onHealth == nil || !s.known:
	case s.e.ejected:
		f := *s.e.why
		f.Address = s.Address().String()
		s.onHealth(SubConnState{State: connectivity.TransientFailure, Err: &f})
	default:
		s.onHealth(s.health)
	}
}
