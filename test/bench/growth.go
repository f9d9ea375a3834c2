package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/load"
)

// A step is one point of a table that shows how the cost of a call grows. Cost is processor
// time, so that other work on the machine changes it little.
type step struct {
	what string
	load client
}

// growth lists the steps: one dimension is varied, the others stay small.
func growth() []step {
	var all []step
	for _, n := range []int{1, 10, 100, 1000} {
		all = append(all, step{fmt.Sprintf("%d connections, 1 caller each", n),
			client{mode: load.Unary, conns: n, callers: n}})
	}
	for _, n := range []int{1, 10, 100, 1000} {
		all = append(all, step{fmt.Sprintf("1 connection, %d callers", n), client{mode: load.Unary, conns: 1, callers: n}})
	}
	for _, n := range []int{0, 1 << 10, 16 << 10, 64 << 10, 1 << 20} {
		all = append(all, step{fmt.Sprintf("10 callers, %d bytes each way", n), client{mode: load.Unary, conns: 1, callers: 10, size: n}})
	}
	for _, n := range []int{0, 4, 16, 60} {
		all = append(all, step{fmt.Sprintf("100 callers, %d metadata pairs", n), client{mode: load.Unary, conns: 1, callers: 100, headers: n}})
	}
	return all
}

// measureGrowth returns the table, in markdown, and prints it line by line meanwhile.
func (b *bench) measureGrowth(ctx context.Context) (string, error) {
	var out strings.Builder
	line := func(text string) {
		fmt.Println(text)
		out.WriteString(text + "\n")
	}
	line("| unary calls | naru | grpc-go |")
	line("| --- | --- | --- |")
	for _, s := range growth() {
		cells := []string{s.what}
		for _, impl := range []echo.Impl{echo.Naru, echo.GRPCGo} {
			var costs []float64
			for range b.rounds {
				cost, err := s.load.cost(ctx, b, impl)
				if err != nil {
					return "", fmt.Errorf("%s: %w", s.what, err)
				}
				costs = append(costs, cost)
			}
			cells = append(cells, figure(median(costs), "us"))
		}
		line("| " + strings.Join(cells, " | ") + " |")
	}
	return out.String(), nil
}

// cost is the processor time of a call in microseconds, both ends together.
func (c client) cost(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	s, err := b.startServer(ctx, impl, serverOptions{tls: c.tls})
	if err != nil {
		return 0, err
	}
	defer s.stop()
	res, used, err := c.metered(ctx, b, impl, s)
	if err != nil {
		return 0, err
	}
	return used.CPU + res.CPUMicrosPerCall, nil
}
