package balancer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// PickFirst is the policy "pick_first": all calls go to the first address that can be connected to
// (gRFC A62), attempts are made with Happy Eyeballs (gRFC A61). It is the default, and the leaf of
// all other policies.
type PickFirst struct {
	// Shuffle shuffles the order of the endpoints in each update (gRFC A62: shuffleAddressList), so
	// that many clients spread over the list.
	Shuffle bool
	// AttemptDelay is the time after which the next address is tried while the attempts before it
	// are still under way. RFC 8305 §5: 250 ms by default (0), and no less than 100 ms, no more
	// than 2 s.
	AttemptDelay time.Duration

	// petiole: another policy's child, which reports health (gRFC A61).
	petiole bool
}

// Name returns "pick_first".
func (PickFirst) Name() string { return "pick_first" }

// Sticky returns true: a connection that works is kept, whatever the names resolve to meanwhile.
func (PickFirst) Sticky() bool { return true }

// New returns a balancer for host.
func (PickFirst) New(host Host) Balancer {
	return &pickFirst{host: host, subs: map[resolver.Address]*pfSub{}}
}

const (
	defaultAttemptDelay = 250 * time.Millisecond
	minAttemptDelay     = 100 * time.Millisecond
	maxAttemptDelay     = 2 * time.Second
)

func (p PickFirst) attemptDelay() time.Duration {
	if p.AttemptDelay == 0 {
		return defaultAttemptDelay
	}
	return min(max(p.AttemptDelay, minAttemptDelay), maxAttemptDelay)
}

// pickFirst: IDLE until asked or first updated, then passes over the addresses.
//
//	        Update              all failed once
//	(none) ---------> pass 1 ------------------> sticky TRANSIENT_FAILURE: all addresses, each
//	                    |  ^                      with its own backoff
//	           one READY|  | lost (ExitIdle)        |
//	                    v  |                        |
//	                   chosen <---------------------+ one READY
type pickFirst struct {
	// immutable
	host Host
	// owned by the channel's event loop
	policy   PickFirst
	list     []*pfSub                    // in the order of attempts
	subs     map[resolver.Address]*pfSub // those alive
	selected *pfSub                      // the one calls go to
	next     int                         // list[next] is tried next in the first pass
	pass     bool                        // in the first pass
	failures int                         // after the first pass: failed attempts since the last refresh
	lastErr  error                       // of a connection; what calls are told
	stopWait func()                      // the running attempt delay, nil if none
	state    connectivity.State          // last published
	started  bool                        // something was published
}

// pfSub is one address, and the attempt to connect to it. Attempts that are given up are not
// revived: events may still be on their way.
type pfSub struct {
	addr   resolver.Address
	sc     SubConn // nil: not needed so far
	state  connectivity.State
	failed bool // at least once in this pass
	dead   bool // shut down
}

var errNoEndpoints = &connectivity.Failure{
	Reason: connectivity.NoAddresses,
	Text:   "the name resolved to an empty list of addresses",
}

func (b *pickFirst) Update(u Update) error {
	b.policy, _ = u.Policy.(PickFirst)
	addrs := b.order(u.Endpoints)
	if len(addrs) == 0 {
		b.dropAll()
		b.lastErr = errNoEndpoints
		b.publish(connectivity.TransientFailure, ErrPicker(errNoEndpoints))
		return errNoEndpoints
	}
	old, oldList := b.subs, b.list
	b.subs = make(map[resolver.Address]*pfSub, len(addrs))
	b.list = b.list[:0:0]
	for _, a := range addrs {
		s := old[a]
		if s == nil {
			s = &pfSub{addr: a}
		}
		b.subs[a] = s
		b.list = append(b.list, s)
	}
	for _, s := range oldList {
		if b.subs[s.addr] == nil {
			b.drop(s)
		}
	}
	b.resume()
	return nil
}

// resume goes on after the list changed.
func (b *pickFirst) resume() {
	switch {
	case b.selected != nil && !b.selected.dead:
		// The connection in use stays, wherever it is in the list.
	case b.started && b.state == connectivity.Idle:
		// Nobody needs a connection now. ExitIdle makes one.
	default:
		lost := b.selected != nil
		b.selected = nil
		// gRFC A62: a failure is reported until a connection succeeds; a new list does not hide it.
		if !b.started || lost || b.state == connectivity.Ready {
			b.publish(connectivity.Connecting, ErrPicker(ErrQueue))
		}
		b.startPass()
	}
}

// connection makes s's connection if there is none.
func (b *pickFirst) connection(s *pfSub) {
	if s.sc != nil {
		return
	}
	opts := SubConnOptions{OnState: func(st SubConnState) {
		if !s.dead {
			b.subState(s, st)
		}
	}}
	if b.policy.petiole {
		opts.OnHealth = func(st SubConnState) {
			if !s.dead && b.selected == s {
				b.health(s, st)
			}
		}
	}
	s.sc = b.host.NewSubConn(s.addr, opts)
}

func (b *pickFirst) startPass() {
	b.stopDelay()
	b.pass, b.next, b.failures = true, 0, 0
	for i, s := range b.list {
		if s.dead {
			s = &pfSub{addr: s.addr}
			b.list[i], b.subs[s.addr] = s, s
		}
		s.failed = false
	}
	b.tryNext()
}

// tryNext starts attempts from list[next] on, until one is under way or the list is at its end.
// gRFC A61, the three bullets on the states a subchannel may be in.
func (b *pickFirst) tryNext() {
	for b.next < len(b.list) {
		s := b.list[b.next]
		b.next++
		b.connection(s)
		switch s.state {
		case connectivity.TransientFailure:
			s.failed = true // it is in backoff after a recent failure: as good as tried
			continue
		case connectivity.Ready:
			b.choose(s)
			return
		case connectivity.Idle:
			s.sc.Connect()
		}
		if b.next < len(b.list) {
			b.startDelay()
		}
		return
	}
	b.endPassIfFailed()
}

func (b *pickFirst) startDelay() {
	b.stopDelay()
	b.stopWait = b.host.AfterFunc(b.policy.attemptDelay(), func() {
		b.stopWait = nil
		if b.pass {
			b.tryNext()
		}
	})
}

func (b *pickFirst) stopDelay() {
	if b.stopWait != nil {
		b.stopWait()
		b.stopWait = nil
	}
}

func (b *pickFirst) subState(s *pfSub, st SubConnState) {
	s.state = st.State
	if b.selected == s {
		if st.State != connectivity.Ready {
			b.lost(s, st)
		}
		return
	}
	switch st.State {
	case connectivity.Ready:
		b.choose(s)
	case connectivity.TransientFailure:
		b.lastErr = st.Err
		b.attemptFailed(s)
	case connectivity.Idle:
		if !b.pass && b.state == connectivity.TransientFailure {
			s.sc.Connect() // gRFC A61: after the first pass all addresses are tried all the time
		}
	}
}

func (b *pickFirst) attemptFailed(s *pfSub) {
	if b.pass {
		s.failed = true
		// The delay is for attempts under way. If the newest one failed, there is nothing to wait
		// for.
		if b.next > 0 && b.list[b.next-1] == s {
			b.stopDelay()
			b.tryNext()
			return
		}
		b.endPassIfFailed()
		return
	}
	b.failures++
	if b.failures >= len(b.list) {
		b.failures = 0
		b.host.Refresh()
	}
	b.publishFailure()
}

// publishFailure reports TRANSIENT_FAILURE with what was tried.
func (b *pickFirst) publishFailure() {
	err := b.lastErr
	if err == nil {
		err = errors.New("no address could be connected to")
	}
	if n := len(b.list); n > 1 {
		err = fmt.Errorf("none of %d addresses (%s) can be connected to, last failure: %w", n, b.tried(), err)
	}
	b.publish(connectivity.TransientFailure, ErrPicker(err))
}

// maxTried is how many addresses an error message lists.
const maxTried = 5

func (b *pickFirst) tried() string {
	var names []string
	for i, s := range b.list {
		if i == maxTried {
			names = append(names, "...")
			break
		}
		names = append(names, s.addr.String())
	}
	return strings.Join(names, ", ")
}

// endPassIfFailed ends the first pass when every address failed at least once.
func (b *pickFirst) endPassIfFailed() {
	if !b.pass || b.next < len(b.list) {
		return
	}
	for _, s := range b.list {
		if !s.failed {
			return
		}
	}
	b.pass = false
	b.stopDelay()
	b.publishFailure()
	b.host.Refresh()
	for _, s := range b.list {
		if s.state == connectivity.Idle { // its backoff ended while others were tried
			s.sc.Connect()
		}
	}
}

// choose makes s the connection of all calls. gRFC A61: the others are given up.
func (b *pickFirst) choose(s *pfSub) {
	b.stopDelay()
	b.pass = false
	b.selected = s
	b.keepOnly(s)
	if b.policy.petiole {
		return // health decides what is published; it reports after each READY
	}
	b.lastErr = nil
	b.publish(connectivity.Ready, SubConnPicker(s.sc))
}

func (b *pickFirst) health(s *pfSub, st SubConnState) {
	switch st.State {
	case connectivity.Ready:
		b.lastErr = nil
		b.publish(connectivity.Ready, SubConnPicker(s.sc))
	case connectivity.TransientFailure:
		b.lastErr = st.Err
		b.publish(connectivity.TransientFailure, ErrPicker(st.Err))
	default:
		b.publish(connectivity.Connecting, ErrPicker(ErrQueue))
	}
}

// lost: the connection in use ended. READY goes to IDLE, and the next call, or the policy around,
// connects again. gRFC A105 adds READY to CONNECTING and to TRANSIENT_FAILURE, which start a new
// pass.
func (b *pickFirst) lost(s *pfSub, st SubConnState) {
	b.selected = nil
	if st.Err != nil {
		b.lastErr = st.Err
	}
	b.host.Refresh()
	if st.State == connectivity.Idle {
		// The channel sends ExitIdle when a call meets ErrQueue in state IDLE.
		b.publish(connectivity.Idle, ErrPicker(ErrQueue))
		return
	}
	b.publish(connectivity.Connecting, ErrPicker(ErrQueue))
	b.startPass()
}

func (b *pickFirst) ExitIdle() {
	if b.state != connectivity.Idle || !b.started || len(b.list) == 0 {
		return
	}
	b.publish(connectivity.Connecting, ErrPicker(ErrQueue))
	b.startPass()
}

// Fail: gRFC A62 has a failure stick; a list once known stays in use.
func (b *pickFirst) Fail(err error) {
	if len(b.list) > 0 {
		return
	}
	b.lastErr = err
	b.publish(connectivity.TransientFailure, ErrPicker(err))
}

func (b *pickFirst) Close() {
	b.stopDelay()
	b.dropAll()
}

func (b *pickFirst) keepOnly(keep *pfSub) {
	for _, s := range b.list {
		if s != keep {
			b.drop(s)
		}
	}
}

func (b *pickFirst) dropAll() {
	b.stopDelay()
	for _, s := range b.list {
		b.drop(s)
	}
	b.list, b.selected, b.pass = nil, nil, false
	clear(b.subs)
}

func (b *pickFirst) drop(s *pfSub) {
	if !s.dead {
		s.dead = true
		if s.sc != nil {
			s.sc.Shutdown()
		}
	}
}

func (b *pickFirst) publish(st connectivity.State, p Picker) {
	b.state, b.started = st, true
	b.host.Publish(State{State: st, Picker: p})
}
