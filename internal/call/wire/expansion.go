package wire

import (
	"context"
	"runtime"
	"sync"
)

// An Expansion says whose compressed message is expanded next, for the calls of one server or one
// client. Expanding is all computation, and makes messages of a thousand times the size: a few KB
// each are enough to ask for hours of one and gigabytes of the other.
//
//   - No more are expanded at a time than there are processors, less one: more gain nothing, and a
//     Go program whose processors all compute looks at its sockets every 10 ms only.
//   - What was expanded and is not decoded yet is bounded, in bytes. No connection may have more
//     than half.
//   - Connections are served fairly, by the bytes they have expanded (start-time fair queueing): a
//     small message waits for the one in hand, and not for the bombs of others however many wait.
//   - Calls that end while they wait leave. Decoding is not part of it: it has limits of its own.
//
// The zero value is ready. Safe for concurrent use.
type Expansion struct {
	// Most is how many bytes may be held, 0: MostExpanded. A message that is larger is expanded
	// alone. Immutable.
	Most int64

	mu      sync.Mutex // a leaf lock
	owners  map[uint64]*expander
	waiting []*expansion
	virtual int64 // the start of the latest to begin, in bytes of fair share
	active  int   // being expanded
	held    int64 // bytes being expanded, as expected, or expanded and not released
	spare   []*expander
}

const (
	// MostExpanded bounds what is held, unless Expansion.Most does: sixteen messages of the default
	// limit.
	MostExpanded = 64 << 20
	mostSpare    = 64
)

// An expander is a connection with messages in an Expansion.
type expander struct {
	id    uint64
	share int64 // up to where its share is used
	held  int64
	n     int // expansions that are not released
}

// An expansion is one message. The zero value is none. One goroutine uses it.
type expansion struct {
	of     *Expansion
	owner  *expander
	start  int64 // in the order of fair shares
	finish int64
	bytes  int64         // of Expansion.held
	turn   chan struct{} // closed when it may begin; nil: it may
	at     int           // in Expansion.waiting
}

// begin waits for the turn of a message of connection id that is expected to expand to n bytes. An
// error is ctx's.
func (e *Expansion) begin(ctx context.Context, id uint64, n int) (expansion, error) {
	e.mu.Lock()
	o := e.ownerLocked(id)
	x := expansion{of: e, owner: o, bytes: int64(n)}
	x.start = max(e.virtual, o.share)
	x.finish = x.start + x.bytes
	o.share = x.finish
	o.n++
	if len(e.waiting) == 0 && !e.busyLocked() && e.fitsLocked(&x) {
		e.startLocked(&x)
		e.mu.Unlock()
		return x, nil
	}
	w := x // only what waits escapes
	w.turn, w.at = make(chan struct{}), len(e.waiting)
	e.waiting = append(e.waiting, &w)
	e.nextLocked()
	e.mu.Unlock()
	select {
	case <-w.turn:
		return w, nil
	case <-ctx.Done():
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.at >= 0 {
		e.removeLocked(&w)
		w.bytes = 0
	} else {
		e.active-- // its turn came meanwhile
	}
	e.releaseLocked(&w)
	return expansion{}, ctx.Err()
}

func (e *Expansion) ownerLocked(id uint64) *expander {
	if o := e.owners[id]; o != nil {
		return o
	}
	if e.owners == nil {
		e.owners = make(map[uint64]*expander)
	}
	var o *expander
	if n := len(e.spare); n > 0 {
		o, e.spare = e.spare[n-1], e.spare[:n-1]
	} else {
		o = new(expander)
	}
	*o = expander{id: id}
	e.owners[id] = o
	return o
}

// busyLocked reports whether as many are being expanded as may be. With thousands that wait,
// nothing is done for each that comes or leaves but to ask this.
func (e *Expansion) busyLocked() bool { return e.active >= max(1, runtime.GOMAXPROCS(0)-1) }

// fitsLocked reports whether what x expands to may be held. What alone is more than there may be is
// expanded alone.
func (e *Expansion) fitsLocked(x *expansion) bool {
	most := e.Most
	if most == 0 {
		most = MostExpanded
	}
	return (e.held == 0 || e.held+x.bytes <= most) &&
		(x.owner.held == 0 || x.owner.held+x.bytes <= most/2)
}

func (e *Expansion) startLocked(x *expansion) {
	e.virtual = max(e.virtual, x.start)
	e.active++
	e.held += x.bytes
	x.owner.held += x.bytes
}

// nextLocked lets those begin whose turn it is.
func (e *Expansion) nextLocked() {
	for len(e.waiting) > 0 && !e.busyLocked() {
		var best *expansion
		for _, w := range e.waiting {
			if (best == nil || w.finish < best.finish) && e.fitsLocked(w) {
				best = w
			}
		}
		if best == nil {
			return
		}
		e.removeLocked(best)
		e.startLocked(best)
		close(best.turn)
	}
}

// removeLocked takes x from those that wait.
func (e *Expansion) removeLocked(x *expansion) {
	last := len(e.waiting) - 1
	e.waiting[x.at] = e.waiting[last]
	e.waiting[x.at].at = x.at
	e.waiting[last] = nil
	e.waiting = e.waiting[:last]
	x.at = -1
}

// expanded notes that x is expanded, of which n bytes are kept, and that it was the work of so
// many.
func (x *expansion) expanded(n, worked int) {
	e := x.of
	e.mu.Lock()
	defer e.mu.Unlock()
	x.owner.share += max(0, int64(worked)-(x.finish-x.start)) // a message that claims to be small gains nothing by it
	more := int64(n) - x.bytes
	x.bytes += more
	e.held += more
	x.owner.held += more
	e.active--
	e.nextLocked()
}

// release gives back what x holds: its bytes are not needed any more.
func (x *expansion) release() {
	e := x.of
	e.mu.Lock()
	defer e.mu.Unlock()
	e.releaseLocked(x)
}

func (e *Expansion) releaseLocked(x *expansion) {
	o := x.owner
	e.held -= x.bytes
	o.held -= x.bytes
	if o.n--; o.n == 0 {
		delete(e.owners, o.id)
		if len(e.spare) < mostSpare {
			e.spare = append(e.spare, o)
		}
	}
	e.nextLocked()
}
