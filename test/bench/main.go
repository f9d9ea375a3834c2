// Command bench compares naru with other gRPC stacks on the same work, in one run, and prints
// one table. Every piece of work is done by naru and then by each peer, round after round;
// a ratio is the median over the rounds of naru's figure divided by the peer's in that round,
// so that a slow minute of the machine hits both.
//
//	go run ./bench --quick
//	go run ./bench --write ../docs/performance.md --readme ../README.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

type settings struct {
	rounds   int
	duration time.Duration
	quick    bool
	cpu      bool
	growth   bool
	only     *regexp.Regexp // rows whose work matches; nil: all
	write    string
	readme   string
	keep     string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (*settings, error) {
	var s settings
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.BoolVar(&s.quick, "quick", false, "one short round of the main rows, under 3 minutes")
	fs.BoolVar(&s.cpu, "cpu", false, "rates per second of processor time of both ends instead of per second of the clock "+
		"(for a machine with other work; where both ends are measured only)")
	fs.IntVar(&s.rounds, "rounds", 0, "rounds per row; 0: 3, with --quick 1")
	fs.DurationVar(&s.duration, "duration", 0, "measured time per figure; 0: 3s, with --quick 1s")
	fs.BoolVar(&s.growth, "growth", false, "instead, show how the processor time of a call grows with connections, "+
		"callers, message size and metadata")
	only := fs.String("only", "", "measure only rows whose text matches this `expression`")
	fs.StringVar(&s.write, "write", "", "put the table into this `file`, between its two marks")
	fs.StringVar(&s.readme, "readme", "", "put the main rows into this `file`, between its two marks")
	fs.StringVar(&s.keep, "json", "", "write every figure of every round to this `file`")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if *only != "" {
		var err error
		if s.only, err = regexp.Compile(*only); err != nil {
			return nil, err
		}
	}
	if s.rounds == 0 {
		s.rounds = 3
		if s.quick {
			s.rounds = 1
		}
	}
	if s.duration == 0 {
		s.duration = 3 * time.Second
		if s.quick {
			s.duration = time.Second
		}
	}
	return &s, nil
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	b, err := newBench(ctx, s)
	if err != nil {
		return err
	}
	defer b.close()

	if s.growth {
		return b.reportGrowth(ctx)
	}
	report := &report{machine: describeMachine(b), rounds: s.rounds, duration: s.duration}
	fmt.Println(report.machine)
	for _, r := range rows() {
		if s.quick && !r.quick || s.only != nil && !s.only.MatchString(r.work) {
			continue
		}
		res := b.measure(ctx, &r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report.add(res)
		for _, line := range res.lines() {
			fmt.Println(line.text())
		}
	}
	return report.save(s)
}
