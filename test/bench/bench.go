package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/test/bench/cpp"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// A bench is one run of the driver.
type bench struct {
	settings
	dir string // of the built programs, removed at the end
	// paths of the programs
	server, client, replay string

	h2load  string // "" if not installed
	taskset string // "" if not installed or there is one processor only
	peak    float64
	skipped map[echo.Impl]error
}

func newBench(ctx context.Context, s *settings) (*bench, error) {
	dir, err := os.MkdirTemp("", "naru-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{settings: *s, dir: dir, skipped: map[echo.Impl]error{}}
	b.server, b.client, b.replay = filepath.Join(dir, "echoserver"), filepath.Join(dir, "echoclient"), filepath.Join(dir, "replay")
	const cmds = "github.com/naru-rpc/naru/test/cmd/"
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, cmds+"echoserver", cmds+"echoclient", cmds+"replay")
	if out, err := build.CombinedOutput(); err != nil {
		b.close()
		return nil, fmt.Errorf("building the echo programs: %w\n%s", err, out)
	}
	b.h2load, _ = exec.LookPath("h2load")
	if runtime.NumCPU() > 1 {
		b.taskset, _ = exec.LookPath("taskset")
	}
	if err := cpp.Available(); err != nil {
		b.skipped[echo.CPP] = err
		fmt.Println("cpp: skipped:", err)
	} else {
		for _, program := range []string{"server", "client"} {
			if _, err := cpp.Build(program); err != nil {
				b.close()
				return nil, err
			}
		}
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// result is what all rounds of a row brought.
type result struct {
	row
	naru    []float64
	peers   []peerResult
	failure error // of naru
}

type peerResult struct {
	peer
	values  []float64
	skipped error
}

// measure runs the rounds of a row: naru, each peer, naru, each peer.
func (b *bench) measure(ctx context.Context, r *row) *result {
	res := &result{row: *r}
	for _, p := range r.peers {
		res.peers = append(res.peers, peerResult{peer: p, skipped: b.skipped[p.impl]})
	}
	for range b.rounds {
		v, err := r.measure(ctx, b, echo.Naru)
		if err != nil {
			res.failure = err
			return res
		}
		res.naru = append(res.naru, v)
		for i := range res.peers {
			p := &res.peers[i]
			if p.skipped != nil {
				continue
			}
			v, err := r.measure(ctx, b, p.impl)
			if err != nil {
				p.skipped = err
				continue
			}
			p.values = append(p.values, v)
		}
	}
	return res
}

// ratio is the median over the rounds of naru's figure divided by the peer's.
func (r *result) ratio(p *peerResult) float64 {
	var ratios []float64
	for i, v := range p.values {
		ratios = append(ratios, r.naru[i]/v)
	}
	return median(ratios)
}

// met compares a figure with its target in the row's direction.
func (r *row) met(figure, target float64) bool {
	if r.lower {
		return figure <= target
	}
	return figure >= target
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	mid := len(v) / 2
	if len(v)%2 == 1 {
		return v[mid]
	}
	return (v[mid-1] + v[mid]) / 2
}

// pinned puts a command on one processor, if that can be done here.
func (b *bench) pinned(cpu string, argv ...string) []string {
	if b.taskset == "" {
		return argv
	}
	return append([]string{b.taskset, "-c", cpu}, argv...)
}

func shorten(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}
