package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/echo"
)

var (
	h2loadRateLine   = regexp.MustCompile(`(?m)^finished in [^,]+, ([0-9.]+) req/s`)
	h2loadStatusLine = regexp.MustCompile(`(?m)^requests: .* (\d+) succeeded, (\d+) failed, (\d+) errored`)
)

// h2loadRate measures unary calls per second with h2load, a client in C that is cheap enough
// for the server to be what is measured: the server runs on one processor, h2load on another.
func h2loadRate(conns, streams string) func(context.Context, *bench, echo.Impl) (float64, error) {
	return func(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
		if b.h2load == "" {
			return 0, errNoH2load
		}
		body, err := b.requestBody()
		if err != nil {
			return 0, err
		}
		s, err := b.startServer(ctx, impl, serverOptions{pinned: true})
		if err != nil {
			return 0, err
		}
		defer s.stop()
		seconds := strconv.Itoa(max(1, int(b.duration.Seconds())))
		warmup := "1"
		if len(conns) > 4 { // thousands of them take a while to connect
			warmup = "4"
		}
		argv := b.pinned("1", b.h2load, "-c", conns, "-m", streams, "-t", "1", "-D", seconds, "--warm-up-time", warmup,
			"-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers",
			"http://"+s.addr+"/naru.bench.v1.Echo/Unary")
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("h2load: %w: %s", err, out)
		}
		return parseH2load(string(out))
	}
}

func parseH2load(out string) (float64, error) {
	rate := h2loadRateLine.FindStringSubmatch(out)
	state := h2loadStatusLine.FindStringSubmatch(out)
	if rate == nil || state == nil {
		return 0, fmt.Errorf("h2load printed no rate: %s", out)
	}
	if state[1] == "0" || state[2] != "0" {
		return 0, fmt.Errorf("h2load: %s", strings.TrimSpace(state[0]))
	}
	return strconv.ParseFloat(rate[1], 64)
}

// requestBody writes the one length-prefixed message that h2load sends.
func (b *bench) requestBody() (string, error) {
	path := filepath.Join(b.dir, "request")
	msg, err := proto.Marshal(&benchpb.Message{Message: "hello"})
	if err != nil {
		return "", err
	}
	frame := append([]byte{0, 0, 0, 0, byte(len(msg))}, msg...)
	return path, os.WriteFile(path, frame, 0o644)
}
