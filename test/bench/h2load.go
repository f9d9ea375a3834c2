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

// h2load is work for h2load, a client in C: the server runs on one processor, h2load on another.
type h2load struct{ conns, streams string }

// rate measures unary calls per second. A fast server leaves h2load's processor no rest before its own: then the
// figure is h2load's, which perProcessor tells.
func (l h2load) rate(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	s, err := l.server(ctx, b, impl)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	warmup := "1"
	if len(l.conns) > 4 { // thousands of them take a while to connect
		warmup = "4"
	}
	done, err := l.run(ctx, b, s, "--warm-up-time", warmup)
	return done.rate, err
}

// perProcessor measures unary calls per second of the server's processor time.
func (l h2load) perProcessor(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	s, err := l.server(ctx, b, impl)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	before, err := s.processorTime()
	if err != nil {
		return 0, err
	}
	done, err := l.run(ctx, b, s) // no warm-up: h2load counts no calls of it, but the server's time does
	if err != nil {
		return 0, err
	}
	after, err := s.processorTime()
	if err != nil {
		return 0, err
	}
	return done.calls / (after - before).Seconds(), nil
}

func (l h2load) server(ctx context.Context, b *bench, impl echo.Impl) (*serverProcess, error) {
	if b.h2load == "" {
		return nil, errNoH2load
	}
	return b.startServer(ctx, impl, serverOptions{pinned: true})
}

func (l h2load) run(ctx context.Context, b *bench, s *serverProcess, flags ...string) (h2loadDone, error) {
	body, err := b.requestBody()
	if err != nil {
		return h2loadDone{}, err
	}
	seconds := strconv.Itoa(max(1, int(b.duration.Seconds())))
	argv := append([]string{b.h2load, "-c", l.conns, "-m", l.streams, "-t", "1", "-D", seconds,
		"-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers",
		"http://" + s.addr + "/naru.bench.v1.Echo/Unary"}, flags...)
	argv = b.pinned("1", argv...)
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return h2loadDone{}, fmt.Errorf("h2load: %w: %s", err, out)
	}
	return parseH2load(string(out))
}

// h2loadDone is what h2load printed at its end.
type h2loadDone struct{ calls, rate float64 }

func parseH2load(out string) (done h2loadDone, err error) {
	rate := h2loadRateLine.FindStringSubmatch(out)
	state := h2loadStatusLine.FindStringSubmatch(out)
	if rate == nil || state == nil {
		return done, fmt.Errorf("h2load printed no rate: %s", out)
	}
	if state[1] == "0" || state[2] != "0" {
		return done, fmt.Errorf("h2load: %s", strings.TrimSpace(state[0]))
	}
	if done.calls, err = strconv.ParseFloat(state[1], 64); err != nil {
		return done, err
	}
	done.rate, err = strconv.ParseFloat(rate[1], 64)
	return done, err
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
