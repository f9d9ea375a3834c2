package outside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// waitDelay is how long a program may keep its outputs open after it was told to end.
	waitDelay = 5 * time.Second
	// startTimeout is how long a server may take until its port answers: process start and, for
	// a server with a certificate of its own making, a key.
	startTimeout = 15 * time.Second
)

// A Process is a server under test, or one to test against. Its methods are safe for concurrent
// use.
type Process struct {
	Port int

	name   string
	cmd    *exec.Cmd
	output syncBuffer
	ended  chan struct{} // capacity 0; closed by the waiting goroutine when the process is gone
}

// start runs a built server with args. See startCommand.
func (t *Tree) start(ctx context.Context, name string, args ...string) (*Process, error) {
	return t.startCommand(ctx, name, nil, append([]string{t.path(name)}, args...)...)
}

// startCommand runs a server, in whose arguments "{port}" stands for a port that was free a moment
// ago, and returns when something accepts connections there. env is added to the environment.
func (t *Tree) startCommand(ctx context.Context, name string, env []string, argv ...string) (*Process, error) {
	return onFreePort(func(port int) (*Process, error) { return t.startOn(ctx, port, name, env, argv...) })
}

// onFreePort starts a program on a port that was free a moment ago, and on another if someone else
// had it first.
func onFreePort(start func(port int) (*Process, error)) (p *Process, err error) {
	for range 5 {
		port, perr := freePort()
		if perr != nil {
			return nil, perr
		}
		if p, err = start(port); err == nil || !portTaken(err) {
			break
		}
	}
	return p, err
}

// portTaken reports whether a program ended because its port is in use. Go, C and Node say it like
// this.
func portTaken(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.Contains(text, "already in use") || strings.Contains(text, "eaddrinuse") || strings.Contains(text, "cannot bind")
}

// startOn is startCommand with the port chosen already.
func (t *Tree) startOn(ctx context.Context, port int, name string, env []string, argv ...string) (*Process, error) {
	p := &Process{Port: port, name: name, ended: make(chan struct{})}
	argv = slices.Clone(argv)
	for i, a := range argv {
		argv[i] = strings.ReplaceAll(a, "{port}", strconv.Itoa(port))
	}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Dir = t.Root
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = waitDelay
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		p.cmd.Wait() // its result is of no interest: servers are killed
		close(p.ended)
	}()
	if err := p.awaitPort(ctx); err != nil {
		p.Stop()
		return nil, fmt.Errorf("%s did not listen on port %d: %w\n%s", name, port, err, p.output.String())
	}
	return p, nil
}

// awaitPort polls the port: an unmodified foreign server has no other way to say that it is ready.
func (p *Process) awaitPort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("localhost", strconv.Itoa(p.Port)))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return err
		case <-poll.C:
		}
	}
}

// Alive returns an error with the process's output if it has ended by itself.
func (p *Process) Alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended while it was tested:\n%s", p.name, p.output.String())
	default:
		return nil
	}
}

// Stop ends the process and waits until it is gone.
func (p *Process) Stop() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
		return
	case <-time.After(waitDelay):
	}
	p.cmd.Process.Kill()
	<-p.ended
}

// freePort returns a port that was free when it was asked for.
func freePort() (int, error) {
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer lis.Close()
	return lis.Addr().(*net.TCPAddr).Port, nil
}

// A syncBuffer is a bytes.Buffer that a process may write while someone reads it.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
