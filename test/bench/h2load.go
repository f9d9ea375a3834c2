package main

import (
	"context"
	"errors"
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

var errNoH2load = errors.New("h2load is not installed (Debian: apt-get install nghttp2-client)")

// h2load is work for h2load, a client in C: the server runs on one processor, h2load on another.
type h2load struct{ conns, streams int }

// rate measures unary calls per second. A fast server leaves h2load's processor no rest before its
// own: then the figure is h2load's. See replayed.
func (l h2load) rate(ctx context.Context, b *bench, impl echo.Impl) (float64, error) {
	if b.h2load == "" {
		return 0, errNoH2load
	}
	s, err := b.startServer(ctx, impl, serverOptions{pinned: true})
	if err != nil {
		return 0, err
	}
	defer s.stop()
	body, err := b.requestBody()
	if err != nil {
		return 0, err
	}
	seconds := strconv.Itoa(max(1, int(b.duration.Seconds())))
	argv := b.pinned("1", b.h2load, "-c", strconv.Itoa(l.conns), "-m", strconv.Itoa(l.streams), "-t", "1", "-D", seconds,
		"--warm-up-time", "1", "-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers",
		"http://"+s.addr+"/naru.bench.v1.Echo/Unary")
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("h2load: %w: %s", err, out)
	}
	return parseH2load(string(out))
}

// parseH2load returns the rate.
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
