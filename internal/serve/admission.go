package serve

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/internal/call/server"
)

// admission says when a task is begun. Three things are bounded, none of them by the read loops, which never wait:
//
//   - the handlers that run for one connection: no more than it may have streams open, counting those of calls that
//     were reset. What resets leave running is no stream, so that no limit of streams sees it
//     (CVE-2023-44487 and what came after);
//   - of these, the handlers of one method that have outlived their calls: half. A method whose dependency hangs
//     does not keep the connection's other methods from running;
//   - the handlers that run on the server. Connections take turns then.
//
// What may not run yet waits. It is an open stream, so that the limit of streams bounds how many there are;
// a call that is given up while it waits leaves at once and costs no handler.
type admission struct {
	limit int64 // of tasks that run at a time on the server

	quiet chan struct{} // closed once, when nothing is open and nothing can come
	once  sync.Once     // for that

	// atomic
	closing atomic.Bool  // somebody waits for quiet
	open    atomic.Int64 // tasks begun and not finished, waiting ones included
	waiting atomic.Int64

	// guarded by mu, as is connection.queue. Taken only when something waits or a handler has outlived its call.
	// Before workers.mu.
	mu    sync.Mutex
	turns []*connection // have a task that only the server's limit keeps from running, or may have
}

// queue is a connection's part of the admission.
type queue struct {
	tasks   []Task
	orphans map[*server.Method]int // handlers that have outlived their calls
	inTurns bool
}

// hasRoom reports whether the server may run one more task.
func (a *admission) hasRoom() bool { return a.open.Load()-a.waiting.Load() < a.limit }

// begin has t run by a worker, now or when it may.
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
	// Whoever has finished since c.running was looked at may not have seen that something waits.
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

// idle returns a channel that is closed when no task is open. Only when no more can come.
func (a *admission) idle() <-chan struct{} {
	a.closing.Store(true)
	if a.open.Load() == 0 {
		a.quieten()
	}
	return a.quiet
}

func (a *admission) quieten() { a.once.Do(func() { close(a.quiet) }) }

// withdraw takes t out of the queue. It returns false if t does not wait: it has run, or will.
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

// orphan counts a handler of method m, nil if it is none of gRPC, that has outlived its call, by 1, and by -1 when it has ended.
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

// orphanLimit is how many handlers of one method may have outlived their calls before others of it wait.
func (c *connection) orphanLimit() int64 { return max(1, c.limit()/2) }

// advanceLocked begins what may be begun after something changed for c.
func (a *admission) advanceLocked(c *connection) {
	a.lineUpLocked(c)
	for len(a.turns) > 0 && a.hasRoom() {
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

// lineUpLocked gives c a turn if it has a use for one.
func (a *admission) lineUpLocked(c *connection) {
	if !c.queue.inTurns && c.eligibleLocked() >= 0 {
		c.queue.inTurns = true
		a.turns = append(a.turns, c)
	}
}

// eligibleLocked returns the index of the task that is next of those the connection's own limits let run, -1 if there is none.
func (c *connection) eligibleLocked() int {
	if len(c.queue.tasks) == 0 || c.running.Load() >= c.limit() {
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
