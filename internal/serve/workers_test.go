package serve

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type taskFunc func()

func (f taskFunc) Run() { f() }

// counts returns how many workers exist and how many are parked.
func (p *workers) counts() (running, parked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, len(p.parked)
}

func TestWorkersRunEverything(t *testing.T) {
	var p workers
	defer p.close()
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5000 {
				p.Go(taskFunc(func() { n.Add(1) }))
			}
		})
	}
	wg.Wait()
	for n.Load() < 20000 {
		runtime.Gosched()
	}
}

// Tasks that wait for each other must all run at the same time, however many there are.
func TestWorkersBlockedTasksHoldNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p workers
		const n = 1000
		var barrier sync.WaitGroup
		barrier.Add(n)
		for range n {
			p.Go(taskFunc(func() {
				barrier.Done()
				barrier.Wait()
			}))
		}
		barrier.Wait()
		synctest.Wait()
		if running, parked := p.counts(); parked > leastIdleWorkers || running != parked {
			t.Errorf("%d workers, %d parked after the work; want all parked, at most %d", running, parked, leastIdleWorkers)
		}
		p.close()
		synctest.Wait()
		if running, _ := p.counts(); running != 0 {
			t.Errorf("%d workers after close", running)
		}
	})
}

func TestWorkersAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p workers
		for range 100 {
			p.Go(taskFunc(func() {}))
			synctest.Wait()
		}
		if running, parked := p.counts(); running != 1 || parked != 1 {
			t.Errorf("one task at a time made %d workers (%d parked)", running, parked)
		}
		p.close()
	})
}

// Thousands of connections keep more workers, and as soon as they are gone, no more than usual.
func TestIdleWorkersOfManyConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p workers
		for _, tt := range []struct{ conns, parked int }{{100, leastIdleWorkers}, {800, 100}, {1 << 20, mostIdleWorkers}, {0, leastIdleWorkers}} {
			p.serving(tt.conns)
			var barrier sync.WaitGroup
			barrier.Add(1000)
			for range 1000 {
				p.Go(taskFunc(func() { barrier.Done(); barrier.Wait() }))
			}
			synctest.Wait()
			if _, parked := p.counts(); parked != tt.parked {
				t.Errorf("%d connections: %d parked, want %d", tt.conns, parked, tt.parked)
			}
		}
		p.close()
	})
}

func TestIdleWorkersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p workers
		var barrier sync.WaitGroup
		barrier.Add(leastIdleWorkers)
		for range leastIdleWorkers {
			p.Go(taskFunc(func() { barrier.Done(); barrier.Wait() }))
		}
		synctest.Wait()
		if _, parked := p.counts(); parked != leastIdleWorkers {
			t.Fatalf("%d parked, want %d", parked, leastIdleWorkers)
		}
		// One keeps being used: it stays, the others leave within two intervals.
		for range 30 {
			p.Go(taskFunc(func() {}))
			<-time.After(time.Second)
		}
		if running, parked := p.counts(); running != 1 || parked != 1 {
			t.Errorf("%d workers, %d parked; want the one in use", running, parked)
		}
		<-time.After(3 * trimInterval)
		if running, _ := p.counts(); running != 0 {
			t.Errorf("%d workers left when nobody needs any", running)
		}
		p.Go(taskFunc(func() {}))
		synctest.Wait()
		p.close()
	})
}

func TestWorkersAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p workers
		p.close()
		ran := false
		p.Go(taskFunc(func() { ran = true }))
		synctest.Wait()
		if running, _ := p.counts(); !ran || running != 0 {
			t.Errorf("ran %v, %d workers left", ran, running)
		}
	})
}

// A task that ends its goroutine takes its worker with it, and nothing else.
func TestWorkersSurviveGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p workers
		ran := 0
		for range 3 {
			p.Go(taskFunc(func() { runtime.Goexit() }))
			p.Go(taskFunc(func() { ran++ }))
		}
		synctest.Wait()
		if ran != 3 {
			t.Errorf("%d of 3 tasks ran beside ones that ended their goroutine", ran)
		}
		p.close()
		synctest.Wait()
		if running, _ := p.counts(); running != 0 {
			t.Errorf("%d workers counted at the end", running)
		}
	})
}

// A worker that is always of use does not keep the stack that one deep handler has grown: another
// takes its place.
func TestBusyWorkersAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &workers{}
		defer p.close()
		seen := make(map[*worker]time.Duration)
		for start := time.Now(); time.Since(start) < 10*trimInterval; <-time.After(time.Second) {
			p.Go(taskFunc(func() {}))
			synctest.Wait()
			p.mu.Lock()
			for _, w := range p.parked {
				seen[w] += time.Second
			}
			p.mu.Unlock()
		}
		for _, d := range seen {
			if d > 2*trimInterval {
				t.Errorf("a worker stayed for %v, want %v at most", d, 2*trimInterval)
			}
		}
		if len(seen) < 5 {
			t.Errorf("%d workers in all, want 5 at least", len(seen))
		}
	})
}
