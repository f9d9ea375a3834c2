package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/replay"
)

// replayed is work for cmd/replay, a client that costs little: the server runs on one processor, it
// on another.
type replayed struct {
	conns, streams int
	warmup         time.Duration // 0: replay's own
}

// mostBusy is the share of its processor a client may use for the figure to be the server's.
const mostBusy = 0.95

// rate measures unary calls per second.
func (r replayed) rate(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	s, err := b.startServer(ctx, impl, serverOptions{pinned: true})
	if err != nil {
		return 0, err
	}
	defer s.stop()
	argv := b.pinned("1", b.replay, "--addr", s.addr, "--conns", strconv.Itoa(r.conns), "--streams", strconv.Itoa(r.streams),
		"--duration", b.duration.String(), "--output", "json")
	if r.warmup > 0 {
		argv = append(argv, "--warmup", r.warmup.String())
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("replay: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var res replay.Result
	if err := json.Unmarshal(out, &res); err != nil {
		return 0, fmt.Errorf("replay printed %q: %w", out, err)
	}
	if res.Busy > mostBusy {
		return 0, fmt.Errorf("replay itself was busy for %.0f %% of the time", 100*res.Busy)
	}
	return res.CallsPerSecond, nil
}
