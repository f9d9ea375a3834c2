package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/naru-rpc/naru/test/bench/echo"
	"github.com/naru-rpc/naru/test/bench/load"
)

// A serverProcess is an echoserver in a process of its own.
type serverProcess struct {
	cmd    *exec.Cmd
	addr   string
	lines  chan string // of its output; closed at its end
	stderr bytes.Buffer
}

type serverOptions struct {
	tls    bool
	pinned bool // to processor 0, with one processor's worth of goroutines
}

// startServer starts a server and waits until it listens. Stop it.
func (b *bench) startServer(ctx context.Context, impl echo.Impl, o serverOptions) (*serverProcess, error) {
	argv := []string{b.server, "--impl", string(impl), "--addr", "127.0.0.1:0"}
	if o.tls {
		argv = append(argv, "--tls")
	}
	env := os.Environ()
	if o.pinned && b.taskset != "" {
		argv = b.pinned("0", argv...)
		env = append(env, "GOMAXPROCS=1")
	}
	s := &serverProcess{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), lines: make(chan string, 16)}
	s.cmd.Env = env
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			s.lines <- scan.Text()
		}
	}()
	line, err := s.line("listening on ")
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("%s server: %w: %s", impl, err, strings.TrimSpace(s.stderr.String()))
	}
	s.addr = line
	return s, nil
}

// line returns what follows prefix in the next line that begins with it.
func (s *serverProcess) line(prefix string) (string, error) {
	patience := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				return "", errors.New("it has ended")
			}
			if rest, found := strings.CutPrefix(line, prefix); found {
				return rest, nil
			}
		case <-patience:
			return "", fmt.Errorf("no line with %q for 30 s", prefix)
		}
	}
}

func (s *serverProcess) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer kill.Stop()
	for range s.lines { // Wait wants the output read to its end
	}
	_ = s.cmd.Wait()
}

// meters is what an echoserver tells of itself.
type meters struct {
	CPU    float64 `json:"cpu_us"`
	Allocs float64 `json:"allocs"`
}

// meters makes the server collect its garbage and tell what it has used.
func (s *serverProcess) meters() (m meters, err error) {
	if err := s.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		return m, err
	}
	line, err := s.line("meters ")
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal([]byte(line), &m)
}

// residentBytes is the memory the kernel counts for the process.
func (s *serverProcess) residentBytes() (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", s.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("resident memory is read from /proc: %w", err)
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, fmt.Errorf("odd statm %q", data)
	}
	pages, err := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize()), err
}

// files counts the process's open descriptors.
func (s *serverProcess) files() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	return len(entries), err
}

// client is a load, to be put on a server with any stack.
type client struct {
	mode                         load.Mode
	conns, callers, size, beside int
	headers                      int
	rate                         float64
	tls                          bool
}

func (c client) args(impl echo.Impl, addr string, d time.Duration) []string {
	args := []string{"--impl", string(impl), "--addr", addr, "--mode", string(c.mode),
		"--conns", strconv.Itoa(c.conns), "--callers", strconv.Itoa(c.callers), "--size", strconv.Itoa(c.size),
		"--duration", d.String(), "--output", "json"}
	if c.rate > 0 {
		args = append(args, "--rate", strconv.FormatFloat(c.rate, 'f', 1, 64))
	}
	if c.beside > 0 {
		args = append(args, "--beside", strconv.Itoa(c.beside))
	}
	if c.headers > 0 {
		args = append(args, "--headers", strconv.Itoa(c.headers))
	}
	if c.tls {
		args = append(args, "--tls")
	}
	return args
}

// against runs the load against a server that is up.
func (c client) against(ctx context.Context, b *bench, impl echo.Impl, addr string) (*load.Result, error) {
	cmd := exec.CommandContext(ctx, b.client, c.args(impl, addr, b.duration)...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.Writer(&stderr)
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s client: %w: %s", impl, err, strings.TrimSpace(stderr.String()))
	}
	var res load.Result
	if err := json.Unmarshal(out.Bytes(), &res); err != nil {
		return nil, fmt.Errorf("%s client: %w in %q", impl, err, out.String())
	}
	if res.Calls == 0 {
		return nil, fmt.Errorf("%s client: no call was finished", impl)
	}
	return &res, nil
}

// run starts a server, puts the load on it with the same stack, and stops it.
func (c client) run(ctx context.Context, b *bench, impl echo.Impl) (*load.Result, error) {
	s, err := b.startServer(ctx, impl, serverOptions{tls: c.tls})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	return c.against(ctx, b, impl, s.addr)
}
