package serve

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/call/server"
)

// admission decides when a task starts. It bounds three numbers, and never makes a read loop wait:
//
//   - the handlers that run for one connection: the number of streams it may have open, counting
//     handlers of calls that were reset. Those are no longer streams, so that no limit of streams counts
//     them (CVE-2023-44487 and its successors);
//   - of these, the handlers of one method that have outlived their calls: half. A method whose
//     dependency hangs does not keep the connection's other methods from running;
//   - the handlers that run on the server. At this limit connections take turns.
//
// No task of a connection starts while its peer leaves the responses to earlier ones unread, see
// Backlog.
//
// A task that may not run yet waits. It is an open stream, so that the limit of streams bounds how
// many wait; a call that is canceled while it waits leaves the queue at once and costs no handler.
type admission struct {
	limit int64 // of tasks that run at a time on the server

	quiet chan struct{} // closed once, when no task is open and none can come; nothing is sent
	once  sync.Once     // closes quiet

	// atomic
	closing atomic.Bool  // idle was called
	open    atomic.Int64 // tasks begun and not finished, waiting ones included
	waiting atomic.Int64

	// guarded by mu, as is connection.queue. mu is taken only when a task waits or a handler has
	// outlived its call; workers.mu may be taken under it.
	mu    sync.Mutex
	turns []*connection // had a task that only the server's limit kept from running
}

// queue is a connection's part of the admission.
type queue struct {
	tasks   []Task
	orphans map[*server.Method]int // handlers that have outlived their calls
	inTurns bool
}

// begin has a worker run t, now or when the limits permit it.
func (c *connection) begin(t Task) {
	a := &c.server.admission
	open := a.open.Add(1)
	if c.running.Add(1) <= c.limit() && open-a.waiting.Load() <= a.limit && c.orphaned.Load() < c.orphanLimit() {
		c.server.workers.Go(t)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting.Add(1)
	c.running.Add(-1)
	c.queue.tasks = append(c.queue.tasks, t)
	// A task that ended since c.running was read may not have seen that t waits.
	a.advanceLocked(c)
}

// finished is called when a task that was begun has ended.
func (c *connection) finished() {
	a := &c.server.admission
	c.running.Add(-1)
	a.left()
	if a.waiting.Load() > 0 {
		a.mu.Lock()
		a.advanceLocked(c)
		a.mu.Unlock()
	}
}

// left counts a task that is over.
func (a *admission) left() {
	if a.open.Add(-1) == 0 && a.closing.Load() {
		a.quieten()
	}
}

// idle returns a channel that is closed when no task is open. It must be called only when no more
// can come.
func (a *admission) idle() <-chan struct{} {
	a.closing.Store(true)
	if a.open.Load() == 0 {
		a.quieten()
	}
	return a.quiet
}

func (a *admission) quieten() { a.once.Do(func() { close(a.quiet) }) }

// withdraw removes t from the queue. It returns false if t does not wait: it has started, or will.
func (c *connection) withdraw(t Task) bool {
	a := &c.server.admission
	if a.waiting.Load() == 0 {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.Index(c.queue.tasks, t)
	if i < 0 {
		return false
	}
	c.queue.tasks = slices.Delete(c.queue.tasks, i, i+1)
	a.waiting.Add(-1)
	a.left()
	return true
}

// orphan counts a handler of method m (nil: not one of gRPC) that has outlived its call: by is 1,
// and -1 when the handler has ended.
func (c *connection) orphan(m *server.Method, by int) {
	a := &c.server.admission
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.queue.orphans == nil {
		c.queue.orphans = make(map[*server.Method]int)
	}
	c.orphaned.Add(int64(by))
	if c.queue.orphans[m] += by; c.queue.orphans[m] == 0 {
		delete(c.queue.orphans, m)
	}
	a.advanceLocked(c)
}

// orphanLimit is how many handlers of a method may outlive their calls before others of it wait.
func (c *connection) orphanLimit() int64 { return max(1, c.limit()/2) }

// advanceLocked starts the tasks that may run after something changed for c.
func (a *admission) advanceLocked(c *connection) {
	a.lineUpLocked(c)
	for len(a.turns) > 0 && a.open.Load()-a.waiting.Load() < a.limit {
		next := a.turns[0]
		a.turns[0] = nil
		a.turns = a.turns[1:]
		next.queue.inTurns = false
		if i := next.eligibleLocked(); i >= 0 {
			t := next.queue.tasks[i]
			next.queue.tasks = slices.Delete(next.queue.tasks, i, i+1)
			a.waiting.Add(-1)
			next.running.Add(1)
			next.server.workers.Go(t)
			a.lineUpLocked(next)
		}
	}
}

// lineUpLocked puts c into turns if it has a task that its own limits let run.
func (a *admission) lineUpLocked(c *connection) {
	if !c.queue.inTurns && c.eligibleLocked() >= 0 {
		c.queue.inTurns = true
		a.turns = append(a.turns, c)
	}
}

// eligibleLocked returns the index of the first task that the connection's own limits let run, or
// -1.
func (c *connection) eligibleLocked() int {
	if len(c.queue.tasks) == 0 || c.running.Load() >= c.limit() || c.backlog.Load() {
		return -1
	}
	if c.orphaned.Load() < c.orphanLimit() {
		return 0
	}
	return slices.IndexFunc(c.queue.tasks, func(t Task) bool {
		return int64(c.queue.orphans[methodOf(t)]) < c.orphanLimit()
	})
}

// methodOf returns the method of a task, nil if it is not a call of gRPC.
func methodOf(t Task) *server.Method {
	if sc, ok := t.(*server.Call); ok {
		return sc.Method()
	}
	return nil
}
