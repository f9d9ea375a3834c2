package hostile

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/racing"
)

var besideTime = flag.Duration("beside", 0, "how long each attack of TestBeside lasts; its bounds on time hold then, 0: a moment, no bounds")

// TestBeside measures what an honest client gets from a server before, during and after an attack, of naru and of grpc-go in turn.
// In ordinary tests an attack is short, and only that honest calls succeed is asserted.
func TestBeside(t *testing.T) {
	if racing.Enabled {
		t.Skip("attackers are many: TestHostileClients finds races with fewer")
	}
	var table strings.Builder
	for i := range besideClasses {
		c := &besideClasses[i]
		t.Run(c.name, func(t *testing.T) {
			var got []*outcome
			for _, s := range stacks {
				if *besideTime == 0 && s.name != "naru" {
					continue
				}
				// A test of its own, so that what a server leaves ends before the next begins.
				t.Run(s.name, func(t *testing.T) { got = append(got, beside(t, c, s)) })
			}
			if *besideTime > 0 && len(got) == len(stacks) {
				bounds(t, got[0], got[1])
				table.WriteString(row(c.name, got))
			}
		})
	}
	if table.Len() > 0 {
		t.Logf("p50 and p99 in ms, naru / grpc-go\n%s%s", header(), table.String())
	}
}

// An outcome is what the honest client got: by probe, times in the three phases.
type outcome struct {
	quiet, attacked, after [][]time.Duration
	calls                  int // that attackers began, or connections
	failed                 int
	err                    error // the first
	recovery               time.Duration
}

const (
	honestPatience = 10 * time.Second
	// least is taken for quiet times below it: one time slice of the operating system would decide otherwise.
	least = time.Millisecond
)

func beside(t *testing.T, c *class, s stack) *outcome {
	attack := max(*besideTime, 300*time.Millisecond)
	addr := s.start(t)
	nc, err := naru.NewClient(addr, naru.WithPlaintext(), discard)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	echo := benchpbnaru.NewEchoClient(nc)
	o := &outcome{}
	o.phase(echo, attack/10, nil) // connections, buffers and windows have grown
	o.quiet = o.phase(echo, attack/2, nil)
	crew := launch(t, addr, c.name)
	<-time.After(attack / 10) // until they are at it
	o.attacked = o.phase(echo, attack, nil)
	if o.calls = crew.stop(t); o.calls < hostiles {
		t.Errorf("%d attackers began %d calls", hostiles, o.calls)
	}
	o.recover(echo)
	o.after = o.phase(echo, attack/2, nil)
	if s.name == "naru" && o.failed > 0 {
		t.Errorf("%d honest calls failed, the first with %v", o.failed, o.err)
	}
	t.Logf("attackers began %d calls; %d honest calls failed: %v", o.calls, o.failed, o.err)
	return o
}

// phase makes calls of each kind in turn for d, or until enough says so.
func (o *outcome) phase(echo benchpbnaru.EchoClient, d time.Duration, enough func(probe int, took time.Duration) bool) [][]time.Duration {
	times := make([][]time.Duration, len(probes))
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i, p := range probes {
			ctx, cancel := context.WithTimeout(context.Background(), honestPatience)
			start := time.Now()
			err := p.call(ctx, echo)
			cancel()
			took := time.Since(start)
			if err != nil {
				o.failed++
				if o.err == nil {
					o.err = fmt.Errorf("%s after %v: %w", p.name, took, err)
				}
			}
			times[i] = append(times[i], took)
			if enough != nil && enough(i, took) {
				return times
			}
		}
	}
	return times
}

// recover waits for ten rounds in which each call takes no more than five times its quiet p99.
func (o *outcome) recover(echo benchpbnaru.EchoClient) {
	const rounds = 10
	begun, good := time.Now(), 0
	var since time.Time
	o.phase(echo, 2*honestPatience, func(i int, took time.Duration) bool {
		if took > 5*max(quantile(o.quiet[i], 0.99), least) {
			good = 0
			return false
		}
		if good++; good == 1 {
			since = time.Now().Add(-took)
		}
		return good == rounds*len(probes)
	})
	o.recovery = since.Sub(begun).Round(time.Millisecond)
	if good < rounds*len(probes) {
		o.recovery = 2 * honestPatience
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[int(q*float64(len(d)-1))]
}

// bounds: the p99 of each kind of call stays within five times its quiet p99 or, where attackers take the processors, of
// grpc-go's under the same attack; and is back within a second.
func bounds(t *testing.T, o, other *outcome) {
	t.Helper()
	for i, p := range probes {
		quiet, attacked := quantile(o.quiet[i], 0.99), quantile(o.attacked[i], 0.99)
		foreign := quantile(other.attacked[i], 0.99)
		if most := 5 * max(quiet, foreign, least); attacked > most {
			t.Errorf("%s: p99 went from %v to %v, grpc-go's is %v; want at most %v", p.name, quiet, attacked, foreign, most)
		}
	}
	if o.recovery > time.Second && o.recovery > other.recovery {
		t.Errorf("recovery took %v, grpc-go's %v; want at most a second", o.recovery, other.recovery)
	}
}

func header() string {
	var b strings.Builder
	b.WriteString("| attack |")
	for _, p := range probes {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	b.WriteString(" failed | recovery, ms |\n| --- |" + strings.Repeat(" --- |", len(probes)+2) + "\n")
	return b.String()
}

// row is two lines of the table: before, and during the attack.
func row(name string, got []*outcome) string {
	var b strings.Builder
	cell := func(times func(*outcome) [][]time.Duration, i int) string {
		var parts []string
		for _, o := range got {
			d := times(o)[i]
			parts = append(parts, fmt.Sprintf("%s %s", ms(quantile(d, 0.5)), ms(quantile(d, 0.99))))
		}
		return strings.Join(parts, " / ")
	}
	for _, phase := range []struct {
		name  string
		times func(*outcome) [][]time.Duration
	}{
		{"before", func(o *outcome) [][]time.Duration { return o.quiet }},
		{name, func(o *outcome) [][]time.Duration { return o.attacked }},
		{"after", func(o *outcome) [][]time.Duration { return o.after }},
	} {
		fmt.Fprintf(&b, "| %s |", phase.name)
		for i := range probes {
			fmt.Fprintf(&b, " %s |", cell(phase.times, i))
		}
		if phase.name == name {
			fmt.Fprintf(&b, " %d / %d | %d / %d |\n", got[0].failed, got[1].failed, got[0].recovery.Milliseconds(), got[1].recovery.Milliseconds())
		} else {
			b.WriteString(" | |\n")
		}
	}
	return b.String()
}

func ms(d time.Duration) string {
	v := float64(d) / 1e6
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
