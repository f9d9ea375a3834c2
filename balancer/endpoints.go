package balancer

import (
	"fmt"
	"slices"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// endpointSet is what round_robin and its kin have in common: a pick_first child per endpoint (gRFC
// A61, "Use pick_first as the Universal Leaf Policy"), kept over updates by the set of its
// addresses. T is what the policy remembers of an endpoint.
type endpointSet[T any] struct {
	// immutable
	host Host
	// made makes the policy's part of a new endpoint.
	made func(*endpoint[T])
	// changed is called after one or more endpoints changed state, were added or removed.
	changed func()
	// lazy endpoints are connected to when connect is called, not before.
	lazy bool

	// owned by the channel's event loop
	byKey   map[string]*endpoint[T]
	list    []*endpoint[T] // in the order of the update, no duplicates
	err     error          // of the resolver, while there are no endpoints
	quiet   bool           // update is at work: changed is called once, at its end
	load    loadWatch[T]
	lastErr error // the last failure of any endpoint
}

// loadWatch says who wants load reports out of band. The zero value: nobody.
type loadWatch[T any] struct {
	report   func(*endpoint[T], *LoadReport)
	interval time.Duration
}

// endpoint is one backend and the pick_first that connects to it.
type endpoint[T any] struct {
	set *endpointSet[T]
	// owned by the channel's event loop
	ep    resolver.Endpoint
	bal   Balancer // nil: not connected to yet (lazy)
	state connectivity.State
	// failed: it is in TRANSIENT_FAILURE, and counts as that until it is READY, whatever it tries
	// meanwhile (gRFC A48, "Aggregated Connectivity State").
	failed bool
	picker Picker
	ready  time.Time // when it became READY last
	closed bool
	subs   []*watchedSub[T] // alive

	data T
}

func (s *endpointSet[T]) update(eps []resolver.Endpoint) error {
	s.quiet = true
	old, oldList := s.byKey, s.list
	s.byKey, s.list = make(map[string]*endpoint[T], len(eps)), nil
	for _, ep := range eps {
		key := ep.Key()
		if len(ep.Addresses) == 0 || s.byKey[key] != nil {
			continue // gRFC A61 lets an endpoint count once
		}
		e := old[key]
		if e == nil {
			e = &endpoint[T]{set: s, picker: ErrPicker(ErrQueue)}
			e.ep = ep
			s.made(e)
		}
		e.ep = ep
		s.byKey[key] = e
		s.list = append(s.list, e)
	}
	for _, e := range oldList {
		if s.byKey[e.ep.Key()] != e {
			e.close()
		}
	}
	for _, e := range s.list {
		e.update()
	}
	s.quiet = false
	s.changed()
	if len(s.list) == 0 {
		return errNoEndpoints
	}
	s.err = nil
	return nil
}

// fail takes note of a resolver's error, which matters only while there are no endpoints.
func (s *endpointSet[T]) fail(err error) {
	s.err = err
	if len(s.list) == 0 {
		s.changed()
	}
}

func (s *endpointSet[T]) close() {
	for _, e := range s.list {
		e.close()
	}
	s.list, s.byKey = nil, nil
}

// update hands the addresses, whose order may have changed, to the child.
func (e *endpoint[T]) update() {
	if e.bal == nil {
		if e.set.lazy {
			return
		}
		e.begin()
		return
	}
	e.feed()
}

// begin makes the child, which connects at once.
func (e *endpoint[T]) begin() {
	e.bal = PickFirst{petiole: true}.New(&endpointHost[T]{Host: e.set.host, e: e})
	e.feed()
}

func (e *endpoint[T]) feed() {
	// The child has an address to work with: there is no error to report.
	_ = e.bal.Update(Update{Endpoints: []resolver.Endpoint{e.ep}, Policy: PickFirst{petiole: true}})
}

// connect makes the endpoint leave IDLE.
func (e *endpoint[T]) connect() {
	switch {
	case e.closed:
	case e.bal == nil:
		e.begin()
	case e.state == connectivity.Idle:
		e.bal.ExitIdle()
	}
}

func (e *endpoint[T]) close() {
	e.closed = true
	if e.bal != nil {
		e.bal.Close()
	}
}

// published takes a state from the child.
func (e *endpoint[T]) published(st State) {
	if st.State == connectivity.Ready && e.state != connectivity.Ready {
		e.ready = e.set.host.Now()
	}
	e.state, e.picker = st.State, st.Picker
	switch st.State {
	case connectivity.Ready:
		e.failed = false
	case connectivity.TransientFailure:
		e.failed = true
		e.set.lastErr = st.Picker.Pick(&CallInfo{}, &Pick{})
	}
	if st.State == connectivity.Idle && !e.set.lazy {
		// It had a connection and lost it; every endpoint is kept connected.
		e.set.host.Later(e.connect)
	}
	if !e.set.quiet {
		e.set.changed()
	}
}

// counts of the endpoints' states, as the aggregation rules see them.
type counts struct{ ready, connecting, idle, failed int }

func (s *endpointSet[T]) count() (n counts) {
	for _, e := range s.list {
		switch {
		case e.state == connectivity.Ready:
			n.ready++
		case e.failed:
			n.failed++
		case e.state == connectivity.Connecting:
			n.connecting++
		default:
			n.idle++
		}
	}
	return n
}

// publish publishes what all of these policies publish when no endpoint is ready, and tells whether
// it did: gRFC A48, "Aggregated Connectivity State".
func (s *endpointSet[T]) publishNotReady() bool {
	n := s.count()
	switch {
	case n.ready > 0:
		return false
	case n.connecting+n.idle > 0:
		s.host.Publish(State{State: connectivity.Connecting, Picker: ErrPicker(ErrQueue)})
	default:
		s.host.Publish(State{State: connectivity.TransientFailure, Picker: ErrPicker(s.failure())})
	}
	return true
}

// failure says why nothing works.
func (s *endpointSet[T]) failure() error {
	switch {
	case len(s.list) == 0 && s.err != nil:
		return s.err
	case len(s.list) == 0:
		return errNoEndpoints
	case len(s.list) == 1 || s.lastErr == nil:
		return s.lastErr
	}
	return fmt.Errorf("none of %d backends can be connected to, last failure: %w", len(s.list), s.lastErr)
}

// endpointHost is the channel as an endpoint's pick_first sees it.
type endpointHost[T any] struct {
	Host
	e *endpoint[T]
}

func (h *endpointHost[T]) Publish(st State) {
	if !h.e.closed {
		h.e.published(st)
	}
}

func (h *endpointHost[T]) NewSubConn(addr resolver.Address, opts SubConnOptions) SubConn {
	s := &watchedSub[T]{SubConn: h.Host.NewSubConn(addr, opts), e: h.e}
	h.e.subs = append(h.e.subs, s)
	s.watch()
	return s
}

// watchedSub is a SubConn whose load reports go where the set says.
type watchedSub[T any] struct {
	SubConn
	e *endpoint[T]
}

// Unwrap implements Unwrapper.
func (s *watchedSub[T]) Unwrap() SubConn { return s.SubConn }

func (s *watchedSub[T]) Shutdown() {
	s.e.subs = slices.DeleteFunc(s.e.subs, func(o *watchedSub[T]) bool { return o == s })
	s.SubConn.Shutdown()
}

func (s *watchedSub[T]) watch() {
	load := s.e.set.load
	if load.report == nil {
		s.WatchLoad(0, nil)
		return
	}
	s.WatchLoad(load.interval, func(r *LoadReport) {
		if !s.e.closed {
			load.report(s.e, r)
		}
	})
}

// watchLoad changes who gets load reports, of all connections there are and will be.
func (s *endpointSet[T]) watchLoad(load loadWatch[T]) {
	s.load = load
	for _, e := range s.list {
		for _, sub := range e.subs {
			sub.watch()
		}
	}
}

func (h *endpointHost[T]) AfterFunc(d time.Duration, f func()) (stop func()) {
	return h.Host.AfterFunc(d, func() {
		if !h.e.closed {
			f()
		}
	})
}
