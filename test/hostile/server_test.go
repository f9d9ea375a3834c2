package hostile

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/test/internal/racing"
)

// A class is one way to attack a server.
type class struct {
	name string // what, and where it became known
	opts []naru.ServerOption
	// settings are the peer's own; raw: it sends no preface by itself; deaf: it never reads.
	settings  []frame.Setting
	raw, deaf bool
	secure    bool // the server speaks TLS
	attack    func(p *peer)
	// ends are the reasons, one of which the server has to count at least once for every
	// attacker: connections or streams it ended. "": the peers keep to the rules, and only what they
	// cost is looked at.
	ends string
	heap int64 // bytes the heap may grow by; 0: heapLimit
}

func TestHostileClients(t *testing.T) {
	for _, classes := range [][]class{resetClasses, headerClasses, floodClasses, memoryClasses, slowClasses, callClasses} {
		for i, c := range classes {
			if racing.Enabled && i%4 != 0 {
				continue // a quarter of them finds races as well, in a time that can be waited for
			}
			t.Run(c.name, func(t *testing.T) { attack(t, &c) })
		}
	}
}

// attack lets ten peers attack a fresh server and looks at what that does.
func attack(t *testing.T, c *class) {
	v := newVictim(t, c.secure, c.opts...)
	quiet := v.quiet(t, max(50*time.Millisecond, *attackTime/4))
	s := newSampler(v)
	var busy caller
	end := v.alongside(s.run, func(until <-chan struct{}) { busy.run(v.echo, until) })
	stop := make(chan struct{})
	peers := launch(t, v, c, stop)
	end(func() {
		<-time.After(*attackTime)
		if c.ends != "" {
			eventually(t, "every attacker has met "+c.ends, func() bool { return v.ended(c.ends) >= hostiles })
		}
	})
	runtime.GC()
	s.look()
	close(stop)
	for _, p := range peers.all() {
		p.close()
	}
	peers.wg.Wait()
	report(t, v, c, s, quiet, &busy)
	eventually(t, "the attackers' connections are gone", func() bool { return v.srv.Stats().Connections <= 1 })
}

// crew is the peers of an attack.
type crew struct {
	mu    sync.Mutex
	peers []*peer
	wg    sync.WaitGroup
}

func (c *crew) all() []*peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peers
}

func launch(t *testing.T, v *victim, c *class, stop chan struct{}) *crew {
	t.Helper()
	crew := &crew{}
	for range hostiles {
		p, err := dialPeer(v.addr, stop, c.raw, c.settings...)
		if err != nil {
			t.Fatal(err)
		}
		if !c.deaf {
			p.read()
		}
		crew.peers = append(crew.peers, p)
		crew.wg.Add(1)
		go func() {
			defer crew.wg.Done()
			c.attack(p)
		}()
	}
	return crew
}

func report(t *testing.T, v *victim, c *class, s *sampler, quiet, busy *caller) {
	t.Helper()
	goroutines := s.goroutines - 2*hostiles // the attackers and their readers
	q, b := quiet.quantile(0.99), busy.quantile(0.99)
	t.Logf("heap +%.1f MB, with garbage +%.1f MB, goroutines %+d, p99 of %d calls %v (quiet: %v), ended %v",
		float64(s.live)/(1<<20), float64(s.heap)/(1<<20), goroutines, len(busy.took), b, q, v.srv.Stats().Ended)
	if most := max(c.heap, heapLimit); s.live > most || *assertLatency && s.heap > most {
		t.Errorf("heap grew by %d MB, %d MB with garbage, want less than %d", s.live>>20, s.heap>>20, most>>20)
	}
	if goroutines > goroutineMost && !racing.Enabled {
		t.Errorf("%d goroutines more than before, want less than %d", goroutines, goroutineMost)
	}
	if len(busy.errs) > 0 {
		t.Errorf("a well-behaved client's call failed: %v", busy.errs[0])
	}
	if len(busy.took) == 0 {
		t.Error("no call of the well-behaved client ended")
	}
	if *assertLatency && b > 5*max(q, latencyFloor) {
		t.Errorf("p99 of others went from %v to %v, want less than five times as much", q, b)
	}
	if c.ends != "" {
		if n := v.ended(c.ends); n < hostiles {
			t.Errorf("%s was counted %d times for %d attackers: %v", c.ends, n, hostiles, v.srv.Stats().Ended)
		}
	}
}

// latencyFloor keeps a single preemption on a machine with two processors from deciding.
const latencyFloor = time.Millisecond
