package channel

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A backend can be a process of its own, which SIGKILL ends without a word: the test's own program, told by this
// variable which stack to serve with. It serves the listener it inherits as descriptor 3 and writes each request it
// executes to its output.
const backendStack = "NARU_TEST_BACKEND"

func backendMain(stack string) {
	lis, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	b := &backend{t: brokenTB{}}
	b.setHandler(func(_ context.Context, req string) (string, error) {
		mu.Lock()
		fmt.Println(req)
		mu.Unlock()
		<-time.After(2 * time.Millisecond)
		return req, nil
	})
	r := map[string]func(*backend) runner{"naru": naruServer(), "grpc-go": grpcServer()}[stack](b)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		os.Exit(0)
	}()
	r.serve(lis)
}

// brokenTB is the testing.TB of a process that is no test.
type brokenTB struct{ testing.TB }

func (brokenTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// processServer makes a backend's server a process. executed is told each request.
func processServer(stack string, executed func(string)) func(*backend) runner {
	return func(b *backend) runner { return &process{b: b, stack: stack, executed: executed} }
}

type process struct {
	b        *backend
	stack    string
	executed func(string)

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	read  chan struct{} // closed when all of the output has been read
	dead  bool
}

func (p *process) serve(lis net.Listener) {
	file, err := lis.(countingListener).Listener.(*net.TCPListener).File()
	lis.Close()
	if err != nil {
		p.b.t.Error(err)
		return
	}
	defer file.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), backendStack+"="+p.stack)
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		p.stdin, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		p.b.t.Error(err)
		return
	}
	p.cmd, p.read = cmd, make(chan struct{})
	go func() {
		defer close(p.read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.executed(lines.Text())
		}
	}()
}

func (p *process) drain() { p.kill() }

// kill is SIGKILL.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		<-p.read
		_ = p.cmd.Wait()
		_ = p.stdin.Close()
		p.cmd = nil
	}
}

// freeze stops the process of a backend, which stays stopped until it is killed.
func (b *backend) freeze() {
	b.t.Helper()
	b.served.Wait() // it has been started
	p := b.run.(*process)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		b.t.Fatal(err)
	}
}
