package chaos

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/test/internal/pair"
)

var (
	length = flag.Duration("chaos", 5*time.Second, "how `long` calls are made")
	seed   = flag.Uint64("seed", 0, "of the calls that are made, 0: a new one; what the network and the scheduler do is not in it")
)

func TestMain(m *testing.M) {
	flag.Parse()
	narutest.VerifyTestMain(m)
}

// callers is how many calls are made at a time.
const callers = 24

func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("-chaos %v -seed %d", *length, *seed)
	w := newWorld(t)
	end := time.Now().Add(*length)
	var wg sync.WaitGroup
	for n := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(*seed, uint64(n)))
			for i := 0; time.Now().Before(end) && !w.failed(); i++ {
				w.call(rng, fmt.Sprintf("%d.%d", n, i))
			}
		})
	}
	wg.Wait()
	w.close(t)
	w.report(t)
}

// A tally counts outcomes, and keeps the first wrong ones.
type tally struct {
	mu sync.Mutex
	// guarded by mu
	calls  int
	counts map[string]int
	wrong  []string
}

// most is how many wrong outcomes are printed before the test gives up.
const most = 20

func (c *tally) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.wrong) >= most
}

func (c *tally) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	c.counts[what]++
}

func (c *tally) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong = append(c.wrong, fmt.Sprintf(format, args...))
}

func (c *tally) report(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(c.counts)) {
		fmt.Fprintf(&b, "\n%8d %s", c.counts[k], k)
	}
	t.Logf("%d calls%s", c.calls, b.String())
	if len(c.wrong) > 0 {
		t.Errorf("%d wrong:\n%s", len(c.wrong), strings.Join(c.wrong, "\n"))
	}
	for _, s := range pair.Stacks { // a test that met nothing shows nothing
		for _, code := range []string{"OK", "CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"} {
			if k := s.Name + " client: " + code; *length >= time.Second && c.counts[k] == 0 {
				t.Errorf("no outcome %q", k)
			}
		}
	}
}
