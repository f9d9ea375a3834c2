package hostile

import (
	"runtime"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/test/internal/held"
	"github.com/naru-rpc/naru/test/internal/racing"
)

// A class is one way to attack a server.
type class struct {
	name string // what, and where it became known
	opts []naru.ServerOption
	// settings are the peer's own; raw: it sends no preface by itself; deaf: it never reads.
	settings  []frame.Setting
	raw, deaf bool
	secure    bool   // the server speaks TLS
	prepare   func() // what takes a while, done before the attack
	attack    func(p *peer)
	// ends are the reasons, one of which the server has to count at least once for every attacker:
	// connections or streams it ended. "": the peers keep to the rules, and only what they cost is
	// looked at.
	ends string
	hold hold
}

// A hold is what a class's peers make the server hold.
type hold struct {
	streams int64 // open at a time on a connection; 0: all that the server allows
	sent    int64 // bytes of a stream that wait for the program, or for the peer; 0: 1 KiB
	head    int64 // bytes of a stream's header list; 0: next to nothing
	made    int64 // what handlers and decoders make of it, all together
}

// most is how much the server's memory may grow by.
func (h hold) most() int64 {
	p := held.Peers{Conns: hostiles, Streams: h.streams, Sent: h.sent, Head: h.head}
	if p.Streams == 0 {
		p.Streams = terms.Streams
	}
	if p.Sent == 0 {
		p.Sent = 1 << 10
	}
	return terms.Memory(p) + h.made
}

func TestHostileClients(t *testing.T) {
	for _, classes := range classTables {
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
	crew := launch(t, v.addr, c.name)
	var busy caller
	end := v.alongside(s.run, func(until <-chan struct{}) { busy.run(v.echo, until) })
	end(func() {
		<-time.After(*attackTime)
		if c.ends != "" {
			eventually(t, "every attacker has met "+c.ends, func() bool { return v.ended(c.ends) >= hostiles })
		}
	})
	runtime.GC()
	s.look()
	crew.stop(t)
	report(t, v, c, s, quiet, &busy)
	eventually(t, "the attackers' connections are gone", func() bool { return v.srv.Stats().Connections <= 1 })
}

func report(t *testing.T, v *victim, c *class, s *sampler, q time.Duration, busy *caller) {
	t.Helper()
	goroutines := s.goroutines
	b := busy.quantile(0.99)
	t.Logf("heap +%.1f MB, with garbage +%.1f MB, goroutines %+d, p99 of %d calls %v (quiet: %v), ended %v",
		float64(s.live)/(1<<20), float64(s.heap)/(1<<20), goroutines, len(busy.took), b, q, v.srv.Stats().Ended)
	// The collector lets there be as much garbage again, and one cycle's more.
	most := c.hold.most()
	if racing.Enabled || !*assertLatency {
		// Other packages' tests want the processors, or the race detector does: what takes longer
		// has more in the making at a time. -latency, which make hostile sets, is for a machine of
		// one's own.
		most *= 3
	}
	t.Logf("the bound of docs/memory.md is %d MB, counted were at most %.1f MB", most>>20, float64(s.counted)/(1<<20))
	if s.live > most || *assertLatency && s.heap > 3*most {
		t.Errorf("heap grew by %d MB, %d MB with garbage, want less than %d, %d with garbage", s.live>>20, s.heap>>20, most>>20, 3*most>>20)
	}
	if most := terms.Server(hostiles); *assertLatency && s.counted > most {
		t.Errorf("the server held %d MB of messages, want at most %d", s.counted>>20, most>>20)
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

// latencyFloor is taken for a quiet p99 below it: a call then takes so little that one time slice
// of the operating system on a machine with two processors, or one timer's grain, would decide.
const latencyFloor = time.Millisecond
