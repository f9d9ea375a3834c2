package hostile

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/honest"
	"github.com/naru-rpc/naru/test/internal/racing"
)

var besideTime = flag.Duration("beside", 0, "how long each attack of TestBeside lasts; its bounds on time hold then, 0: a moment, no bounds")

// TestBeside measures what an honest client gets from a server before, during and after an attack,
// of naru and of grpc-go in turn. In ordinary tests an attack is short, and only that honest calls
// succeed is asserted.
func TestBeside(t *testing.T) {
	if racing.Enabled {
		t.Skip("attackers are many: TestHostileClients finds races with fewer")
	}
	var table strings.Builder
	for i := range besideClasses {
		c := &besideClasses[i]
		t.Run(c.name, func(t *testing.T) {
			var got []*honest.Outcome
			for _, s := range honest.Stacks {
				if *besideTime == 0 && s.Name != "naru" {
					continue
				}
				// A test of its own, so that what a server leaves ends before the next begins.
				t.Run(s.Name, func(t *testing.T) { got = append(got, beside(t, c, s)) })
			}
			if *besideTime > 0 && len(got) == len(honest.Stacks) {
				honest.Bounds(t, got[0], got[1])
				table.WriteString(honest.Row(c.name, got))
			}
		})
	}
	if table.Len() > 0 {
		t.Logf("p50 and p99 in ms, naru / grpc-go\n%s%s", honest.Header("attack"), table.String())
	}
}

func beside(t *testing.T, c *class, s honest.Stack) *honest.Outcome {
	addr := s.Start(t)
	nc, err := naru.NewClient(addr, naru.WithPlaintext(), honest.Quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	calls := 0
	o := honest.Measure(benchpbnaru.NewEchoClient(nc), max(*besideTime, 300*time.Millisecond), func() (end func()) {
		crew := launch(t, addr, c.name)
		return func() { calls = crew.stop(t) }
	})
	if calls < hostiles {
		t.Errorf("%d attackers began %d calls", hostiles, calls)
	}
	if s.Name == "naru" && o.Failed > 0 {
		t.Errorf("%d honest calls failed, the first with %v", o.Failed, o.Err)
	}
	t.Logf("attackers began %d calls; %d honest calls failed: %v", calls, o.Failed, o.Err)
	return o
}
