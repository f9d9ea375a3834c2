package balancer

import (
	"errors"
	"math"
	"strings"
	"sync/atomic"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// RingHash is the policy "ring_hash_experimental" (gRFC A42, A76): calls with the same value of a
// header go to the same endpoint as long as it is there, and few calls move when endpoints come and
// go. Endpoints are connected to when a call needs them.
type RingHash struct {
	// Header is the request's metadata key whose value is hashed; calls without it go to random
	// endpoints. It must not end in "-bin". "": calls bring their hash themselves, and fail if they
	// do not.
	Header string
	// MinSize and MaxSize bound the number of places on the ring. 0: 1024 and 4096. More than 4096
	// is taken for 4096.
	MinSize, MaxSize int
}

// gRFC A42: "the client will have a local option ... to set a cap for the ring size, which will
// also default to 4096".
const (
	defaultRingMin = 1024
	maxRing        = 4096
)

// Name returns "ring_hash_experimental".
func (RingHash) Name() string { return "ring_hash_experimental" }

// New returns a balancer for host.
func (RingHash) New(host Host) Balancer {
	b := &ringHash{host: host}
	b.set = endpointSet[*ringEndpoint]{
		host: host,
		made: func(e *endpoint[*ringEndpoint]) {
			d := &ringEndpoint{}
			d.connect = func() {
				d.asked.Store(false)
				e.connect()
			}
			e.data = d
		},
		changed: b.changed,
		lazy:    true,
	}
	return b
}

// ringEndpoint is what the pickers know of an endpoint beyond its state.
type ringEndpoint struct {
	connect func()      // an event of the channel
	asked   atomic.Bool // connect is on its way: a thousand waiting calls ask once
}

type ringHash struct {
	// immutable
	host Host
	// owned by the channel's event loop
	policy RingHash
	set    endpointSet[*ringEndpoint]
	ring   *ring
	of     []*endpoint[*ringEndpoint] // what the ring's indexes mean
}

func (b *ringHash) Update(u Update) error {
	b.policy, _ = u.Policy.(RingHash)
	b.ring = nil // made by changed, which set.update calls
	return b.set.update(mergeWeights(u.Endpoints))
}

// mergeWeights makes an endpoint that is there twice one of twice the weight. gRFC A42: "The
// ring_hash policy will accept both multiple instances of the same address and the per-address
// weight attribute."
func mergeWeights(eps []resolver.Endpoint) []resolver.Endpoint {
	at := map[string]int{}
	var out []resolver.Endpoint
	for _, e := range eps {
		if len(e.Addresses) == 0 {
			continue
		}
		e.Weight = max(e.Weight, 1)
		if i, dup := at[e.Key()]; dup {
			out[i].Weight = uint32(min(uint64(out[i].Weight)+uint64(e.Weight), math.MaxUint32))
			continue
		}
		at[e.Key()] = len(out)
		out = append(out, e)
	}
	return out
}

func (b *ringHash) Fail(err error) { b.set.fail(err) }
func (b *ringHash) Close()         { b.set.close() }

// ExitIdle connects to some endpoint: nobody has said which one is needed.
func (b *ringHash) ExitIdle() {
	if len(b.set.list) > 0 {
		b.set.list[b.host.Uint64()%uint64(len(b.set.list))].connect()
	}
}

func (b *ringHash) changed() {
	if len(b.set.list) == 0 {
		b.host.Publish(State{State: connectivity.TransientFailure, Picker: ErrPicker(b.set.failure())})
		return
	}
	if b.ring == nil {
		b.of = b.set.list
		eps := make([]resolver.Endpoint, len(b.of))
		for i, e := range b.of {
			eps[i] = e.ep
		}
		lo, hi := b.sizes()
		b.ring = newRing(eps, lo, hi)
	}
	p := &ringPicker{host: b.host, ring: b.ring, header: b.policy.Header, of: make([]ringState, len(b.of))}
	for i, e := range b.of {
		st := e.state
		if e.failed {
			st = connectivity.TransientFailure
		}
		p.of[i] = ringState{st, e.picker, e.data}
		p.connecting = p.connecting || st == connectivity.Connecting
		p.hope = p.hope || st != connectivity.TransientFailure
	}
	state := b.aggregate()
	b.host.Publish(State{State: state, Picker: p})
	if state == connectivity.TransientFailure || state == connectivity.Connecting {
		b.keepTrying(p.connecting)
	}
}

func (b *ringHash) sizes() (lo, hi int) {
	lo, hi = b.policy.MinSize, b.policy.MaxSize
	if lo == 0 {
		lo = defaultRingMin
	}
	if hi == 0 {
		hi = maxRing
	}
	hi = min(hi, maxRing)
	return min(lo, hi), hi
}

// aggregate: gRFC A42, "the aggregation rules for the ring_hash policy".
func (b *ringHash) aggregate() connectivity.State {
	n := b.set.count()
	switch {
	case n.ready > 0:
		return connectivity.Ready
	case n.failed >= 2:
		return connectivity.TransientFailure
	case n.connecting > 0:
		return connectivity.Connecting
	case n.failed == 1 && len(b.set.list) > 1:
		return connectivity.Connecting
	case n.idle > 0:
		return connectivity.Idle
	}
	return connectivity.TransientFailure
}

// keepTrying connects to one more endpoint when none is on its way: without calls nothing else
// would. gRFC A61, "Ring Hash".
func (b *ringHash) keepTrying(connecting bool) {
	if connecting {
		return
	}
	for _, e := range b.set.list {
		if e.state == connectivity.Idle && !e.failed {
			b.host.Later(e.connect)
			return
		}
	}
}

// ringState is an endpoint at the time of a picker.
type ringState struct {
	state  connectivity.State
	picker Picker
	data   *ringEndpoint
}

type ringPicker struct {
	host       Host
	ring       *ring
	of         []ringState
	header     string
	connecting bool // one of them is
	hope       bool // one of them is not in TRANSIENT_FAILURE
}

var errNoHash = errors.New("ring_hash: the call has no hash, and no header to hash is configured (requestHashHeader)")

func (r *ringPicker) Pick(call *CallInfo, p *Pick) error {
	hash, random := call.Hash, false
	if !call.HasHash {
		if r.header == "" {
			return errNoHash
		}
		if hash, random = headerHash(call.Metadata, r.header); random {
			hash = r.host.Uint64()
		}
	}
	first := r.ring.find(hash)
	if !r.hope {
		// All are in TRANSIENT_FAILURE: the error of the one the call belongs to.
		return r.at(first).picker.Pick(call, p)
	}
	if random {
		return r.pickRandom(first, call, p)
	}
	for i := range r.ring.points {
		e := r.at(first + i)
		switch e.state {
		case connectivity.Ready:
			return e.picker.Pick(call, p)
		case connectivity.Idle:
			r.connect(e)
			return ErrQueue
		case connectivity.Connecting:
			return ErrQueue
		}
	}
	return ErrQueue // not reached: one of them gave an answer
}

// pickRandom serves a call without the header. gRFC A76: the first endpoint that is ready from a
// random place on, and at most one connection is started.
func (r *ringPicker) pickRandom(first int, call *CallInfo, p *Pick) error {
	asked := r.connecting
	for i := range r.ring.points {
		e := r.at(first + i)
		if e.state == connectivity.Ready {
			return e.picker.Pick(call, p)
		}
		if !asked && e.state == connectivity.Idle {
			r.connect(e)
			asked = true
		}
	}
	return ErrQueue
}

func (r *ringPicker) at(i int) *ringState {
	return &r.of[r.ring.points[i%len(r.ring.points)].index]
}

func (r *ringPicker) connect(e *ringState) {
	if e.data.asked.CompareAndSwap(false, true) {
		r.host.Later(e.data.connect)
	}
}

// headerHash hashes a header. gRFC A76: "If the header contains multiple values, then values are
// joined with a comma".
func headerHash(md Metadata, header string) (hash uint64, missing bool) {
	if md == nil {
		return 0, true
	}
	values := md.Get(header)
	if len(values) == 1 && values[0] != "" {
		return xxHash64(values[0], 0), false
	}
	joined := strings.Join(values, ",")
	if joined == "" {
		return 0, true
	}
	return xxHash64(joined, 0), false
}
