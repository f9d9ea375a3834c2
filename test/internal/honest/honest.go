// Package honest is an honest client: what it gets from a server, of naru or of grpc-go, before
// others misuse it or are slow, meanwhile, and afterwards.
package honest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// A probe is a kind of call that an honest client makes.
type probe struct {
	name string
	call func(context.Context, benchpbnaru.EchoClient) error
}

var (
	small  = &benchpb.Message{Message: "echo", Payload: make([]byte, 100)}
	medium = &benchpb.Message{Message: "drop", Payload: make([]byte, 100_000)}
	big    = &benchpb.Message{Message: "drop", Payload: make([]byte, 1<<20)}
	zipped = &benchpb.Message{Message: "echo", Payload: make([]byte, 20_000)}
	stream = &benchpb.Message{Id: 20, Payload: make([]byte, 1000)}
)

var probes = []probe{
	{"unary", func(ctx context.Context, c benchpbnaru.EchoClient) error { _, err := c.Unary(ctx, small); return err }},
	{"100 KB", func(ctx context.Context, c benchpbnaru.EchoClient) error { _, err := c.Unary(ctx, medium); return err }},
	{"1 MiB", func(ctx context.Context, c benchpbnaru.EchoClient) error { _, err := c.Unary(ctx, big); return err }},
	{"gzip", func(ctx context.Context, c benchpbnaru.EchoClient) error {
		_, err := c.Unary(ctx, zipped, naru.WithCompression("gzip"))
		return err
	}},
	{"stream", func(ctx context.Context, c benchpbnaru.EchoClient) error {
		s, err := c.ServerStream(ctx, stream)
		if err != nil {
			return err
		}
		defer s.Close()
		for n := int64(0); ; n++ {
			switch _, err := s.Recv(); {
			case err == io.EOF && n == stream.GetId():
				return nil
			case err != nil:
				return err
			}
		}
	}},
}

// An Outcome is what the honest client got: by probe, times in the three phases.
type Outcome struct {
	Failed   int
	Err      error // the first
	Recovery time.Duration

	quiet, attacked, after [][]time.Duration
}

const (
	patience = 10 * time.Second
	// least is taken for quiet times below it: one time slice of the operating system would decide
	// otherwise.
	least = time.Millisecond
)

// Measure makes calls of each kind in turn: while nothing else happens for half of d, for d after
// begin was called, and, when what it returns was called, until they are as quick as before and for
// half of d more.
func Measure(echo benchpbnaru.EchoClient, d time.Duration, begin func() (end func())) *Outcome {
	o := &Outcome{}
	o.phase(echo, d/10, nil) // connections, buffers and windows have grown
	o.quiet = o.phase(echo, d/2, nil)
	end := begin()
	<-time.After(d / 10) // until they are at it
	o.attacked = o.phase(echo, d, nil)
	end()
	o.recover(echo)
	o.after = o.phase(echo, d/2, nil)
	return o
}

// phase makes calls of each kind in turn for d, or until enough says so.
func (o *Outcome) phase(echo benchpbnaru.EchoClient, d time.Duration, enough func(probe int, took time.Duration) bool) [][]time.Duration {
	times := make([][]time.Duration, len(probes))
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i, p := range probes {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			start := time.Now()
			err := p.call(ctx, echo)
			cancel()
			took := time.Since(start)
			if err != nil {
				o.Failed++
				if o.Err == nil {
					o.Err = fmt.Errorf("%s after %v: %w", p.name, took, err)
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
func (o *Outcome) recover(echo benchpbnaru.EchoClient) {
	const rounds = 10
	begun, good := time.Now(), 0
	var since time.Time
	o.phase(echo, 2*patience, func(i int, took time.Duration) bool {
		if took > 5*max(quantile(o.quiet[i], 0.99), least) {
			good = 0
			return false
		}
		if good++; good == 1 {
			since = time.Now().Add(-took)
		}
		return good == rounds*len(probes)
	})
	o.Recovery = since.Sub(begun).Round(time.Millisecond)
	if good < rounds*len(probes) {
		o.Recovery = 2 * patience
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[int(q*float64(len(d)-1))]
}

// Calls returns how many calls were made beside the others.
func (o *Outcome) Calls() (n int) {
	for _, d := range o.attacked {
		n += len(d)
	}
	return n
}

// Bounds asserts that no call failed, that the p99 of each kind of call stays within five times its
// quiet p99 or, where attackers take the processors, of grpc-go's under the same attack; and that
// it is back within a second.
func Bounds(t testing.TB, o, other *Outcome) {
	t.Helper()
	if o.Failed > 0 {
		t.Errorf("%d honest calls failed, the first with %v", o.Failed, o.Err)
	}
	for i, p := range probes {
		quiet, attacked := quantile(o.quiet[i], 0.99), quantile(o.attacked[i], 0.99)
		foreign := quantile(other.attacked[i], 0.99)
		if most := 5 * max(quiet, foreign, least); attacked > most {
			t.Errorf("%s: p99 went from %v to %v, grpc-go's is %v; want at most %v", p.name, quiet, attacked, foreign, most)
		}
	}
	if o.Recovery > time.Second {
		t.Errorf("recovery took %v, grpc-go's %v; want at most a second", o.Recovery, other.Recovery)
	}
}

// Header is the head of a table of rows whose first column is what others do.
func Header(what string) string {
	var b strings.Builder
	b.WriteString("| " + what + " |")
	for _, p := range probes {
		fmt.Fprintf(&b, " %s |", p.name)
	}
	b.WriteString(" failed | recovery, ms |\n| --- |" + strings.Repeat(" --- |", len(probes)+2) + "\n")
	return b.String()
}

// Row is three lines of the table: before, beside the others, and after them.
func Row(name string, got []*Outcome) string {
	var b strings.Builder
	cell := func(times func(*Outcome) [][]time.Duration, i int) string {
		var parts []string
		for _, o := range got {
			d := times(o)[i]
			parts = append(parts, fmt.Sprintf("%s %s", ms(quantile(d, 0.5)), ms(quantile(d, 0.99))))
		}
		return strings.Join(parts, " / ")
	}
	for _, phase := range []struct {
		name  string
		times func(*Outcome) [][]time.Duration
	}{
		{"before", func(o *Outcome) [][]time.Duration { return o.quiet }},
		{name, func(o *Outcome) [][]time.Duration { return o.attacked }},
		{"after", func(o *Outcome) [][]time.Duration { return o.after }},
	} {
		fmt.Fprintf(&b, "| %s |", phase.name)
		for i := range probes {
			fmt.Fprintf(&b, " %s |", cell(phase.times, i))
		}
		if phase.name == name {
			fmt.Fprintf(&b, " %d / %d | %d / %d |\n", got[0].Failed, got[1].Failed, got[0].Recovery.Milliseconds(), got[1].Recovery.Milliseconds())
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
