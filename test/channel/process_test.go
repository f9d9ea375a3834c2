package channel

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// A backend can be a process of its own, which SIGKILL ends without a word: the test's own program,
// told by this variable which stack to serve with. It serves the listener it inherits as descriptor
// 3 and writes each request it executes to its output. Lines of its input say how it behaves: see
// behaviour.
const backendStack = "NARU_TEST_BACKEND"

func backendMain(stack string) {
	lis, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		panic(err)
	}
	var how atomic.Pointer[behaviour]
	how.Store(&behaviour{Takes: 2 * time.Millisecond})
	var mu sync.Mutex
	n := 0 // requests executed, guarded by mu
	b := &backend{t: brokenTB{}}
	b.setHandler(func(ctx context.Context, req string) (string, error) {
		mu.Lock()
		n++
		lags, fails := how.Load().next(n)
		fmt.Println(req)
		mu.Unlock()
		select {
		case <-time.After(lags):
		case <-ctx.Done():
		}
		if fails {
			return "", status.Error(codes.Internal, "broken")
		}
		return req, nil
	})
	r := map[string]func(*backend) runner{"naru": naruServer(), "grpc-go": grpcServer()}[stack](b)
	go func() {
		for in := json.NewDecoder(os.Stdin); ; {
			to := new(behaviour)
			if in.Decode(to) != nil {
				os.Exit(0) // the parent has ended
			}
			how.Store(to)
			fmt.Println(behaves)
		}
	}()
	r.serve(lis)
}

// behaviour is how a process answers. Which requests are late or fail goes by their number, not by
// chance.
type behaviour struct {
	Takes time.Duration
	// Each Lag-th request takes Lagging; 0: none.
	Lag     int
	Lagging time.Duration
	// Each Fail-th request fails; 0: none.
	Fail int
}

func (b *behaviour) next(n int) (takes time.Duration, fails bool) {
	takes = b.Takes
	if b.Lag > 0 && n%b.Lag == b.Lag/2 {
		takes = b.Lagging
	}
	return takes, b.Fail > 0 && n%b.Fail == 0
}

// behaves is what a process writes when it has changed its behaviour.
const behaves = "behaves"

// behave changes how the process of a backend answers, and returns when it does.
func (b *backend) behave(to behaviour) {
	b.t.Helper()
	b.served.Wait() // it has been started
	p := b.run.(*process)
	if err := json.NewEncoder(p.stdin).Encode(to); err != nil {
		b.t.Fatal(err)
	}
	<-p.changed
}

// brokenTB is the testing.TB of a process that is no test.
type brokenTB struct{ testing.TB }

func (brokenTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// processServer makes a backend's server a process. executed is told each request.
func processServer(stack string, executed func(string)) func(*backend) runner {
	return func(b *backend) runner {
		// 1: nobody may wait for it any more
		return &process{b: b, stack: stack, executed: executed, changed: make(chan struct{}, 1)}
	}
}

type process struct {
	b        *backend
	stack    string
	executed func(string)
	changed  chan struct{} // told when the behaviour has changed

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
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
			if lines.Text() == behaves {
				p.changed <- struct{}{}
				continue
			}
			p.b.calls.Add(1)
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
