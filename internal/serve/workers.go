package serve

import (
	"slices"
	"sync"
	"time"
)

// A Task is what a worker runs. It must not panic. If it ends its goroutine (runtime.Goexit), the
// worker is replaced when needed.
type Task interface{ Run() }

// Idle workers are kept because their stacks have grown to what handlers need: a fresh goroutine
// per call costs a third of the throughput in stack growth and scheduling. Each holds some KiB.
// With thousands of busy connections, hundreds of which have a write pending at a time, more are of
// use.
const (
	leastIdleWorkers = 32
	mostIdleWorkers  = 256
	connsPerWorker   = 8
	trimInterval     = 10 * time.Second
)

// A worker leaves after two trims at the latest: a stack never shrinks while nothing is collected,
// so that a handler that once nested deep would leave its megabytes with a worker for as long as it
// is of use. To start one anew costs microseconds.

// workers runs tasks on goroutines that park between them, last in, first out.
//
// Tasks wait in a queue, and at most one worker at a time is on its way to it: woken, but not
// there yet. When it arrives it takes a task and, if there are more, wakes the next worker
// before it runs its own. So a burst of a hundred short tasks is run by as many workers as
// there are processors free, most of them without any wake-up, while a task that blocks
// never holds back the ones behind it.
//
// Invariant, whenever mu is free: queue not empty implies coming.
type workers struct {
	// guarded by mu (a leaf lock)
	mu      sync.Mutex
	queue   taskQueue
	parked  []*worker // a stack; the oldest at the bottom
	low     int       // least len(parked) since the last trim: workers that were not needed
	coming  bool      // a worker was woken or started and has not looked into the queue yet
	idle    int       // how many may be parked, if not leastIdleWorkers
	closed  bool      // workers leave instead of parking
	trimmer *time.Timer
	running int // goroutines that exist, parked ones included
	trims   int // how often trim has run
}

type worker struct {
	wake  chan struct{} // capacity 1, so that waking never blocks: one wake per parking
	leave bool          // set before wake is sent to
	born  int           // workers.trims when it was started
}

// serving sets how many idle workers are kept by the number of connections.
func (p *workers) serving(conns int) {
	p.mu.Lock()
	p.idle = min(conns/connsPerWorker, mostIdleWorkers)
	p.mu.Unlock()
}

// Go runs t on a worker, soon. It never blocks.
func (p *workers) Go(t Task) {
	p.mu.Lock()
	p.queue.push(t)
	w := p.callLocked()
	p.mu.Unlock()
	if w != nil {
		w.wake <- struct{}{}
	}
}

// callLocked makes a worker come if none is on its way. It returns the worker to wake after
// unlocking.
func (p *workers) callLocked() *worker {
	if p.coming {
		return nil
	}
	p.coming = true
	if n := len(p.parked); n > 0 {
		w := p.parked[n-1]
		p.parked[n-1] = nil
		p.parked = p.parked[:n-1]
		p.low = min(p.low, n-1)
		return w
	}
	p.running++
	go p.work(&worker{wake: make(chan struct{}, 1), born: p.trims})
	return nil
}

func (p *workers) work(w *worker) {
	left := false
	defer func() {
		if !left {
			// The task ended the goroutine (runtime.Goexit).
			p.mu.Lock()
			p.running--
			p.mu.Unlock()
		}
	}()
	called := true
	for {
		p.mu.Lock()
		if called {
			p.coming = false
			called = false
		}
		t := p.queue.pop()
		if t == nil {
			if !p.parkLocked(w) {
				left = true
				p.running--
				p.mu.Unlock()
				return
			}
			p.mu.Unlock()
			<-w.wake
			if w.leave {
				left = true
				return
			}
			called = true
			continue
		}
		var next *worker
		if p.queue.len() > 0 {
			next = p.callLocked()
		}
		p.mu.Unlock()
		if next != nil {
			next.wake <- struct{}{}
		}
		t.Run()
	}
}

// parkLocked puts w on the stack, or returns false if it is to leave.
func (p *workers) parkLocked(w *worker) bool {
	if p.closed || len(p.parked) >= max(p.idle, leastIdleWorkers) || p.trims-w.born >= 2 {
		return false
	}
	p.parked = append(p.parked, w)
	if p.trimmer == nil {
		p.low = 0
		p.trimmer = time.AfterFunc(trimInterval, p.trim)
	}
	return true
}

// trim ends the workers that were not needed since it last ran, and those that are old.
func (p *workers) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.dismissLocked(p.low)
	p.trims++
	slices.SortStableFunc(p.parked, func(a, b *worker) int { return a.born - b.born })
	old := 0
	for old < len(p.parked) && p.trims-p.parked[old].born >= 2 {
		old++
	}
	p.dismissLocked(old)
	p.low = len(p.parked)
	if p.low == 0 {
		p.trimmer = nil
		return
	}
	p.trimmer.Reset(trimInterval)
}

// dismissLocked lets the n workers at the bottom of the stack leave.
func (p *workers) dismissLocked(n int) {
	for _, w := range p.parked[:n] {
		w.leave = true
		p.running--
		w.wake <- struct{}{}
	}
	rest := copy(p.parked, p.parked[n:])
	clear(p.parked[rest:])
	p.parked = p.parked[:rest]
}

// close lets idle workers leave now and the others when the queue is empty. Go still works.
func (p *workers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.trimmer != nil {
		p.trimmer.Stop()
	}
	p.dismissLocked(len(p.parked))
}

// taskQueue is a ring that grows.
type taskQueue struct {
	ring []Task // length a power of two
	head int
	n    int
}

func (q *taskQueue) len() int { return q.n }

func (q *taskQueue) push(t Task) {
	if q.n == len(q.ring) {
		grown := make([]Task, max(64, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = grown, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = t
	q.n++
}

// pop returns nil when the queue is empty.
func (q *taskQueue) pop() Task {
	if q.n == 0 {
		return nil
	}
	t := q.ring[q.head]
	q.ring[q.head] = nil
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return t
}
