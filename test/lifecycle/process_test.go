//go:build unix

package lifecycle

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/internal/leak"
)

var (
	binDir    string
	buildOnce sync.Once
	buildErr  error
)

func TestMain(m *testing.M) {
	leak.VerifyTestMain(cleaner{m})
}

// cleaner removes what was built.
type cleaner struct{ m *testing.M }

func (c cleaner) Run() int {
	defer func() {
		if binDir != "" {
			_ = os.RemoveAll(binDir)
		}
	}()
	return c.m.Run()
}

// binary builds the programs once.
func binary(t *testing.T, name string) string {
	t.Helper()
	buildOnce.Do(func() {
		if binDir, buildErr = os.MkdirTemp("", "naru-lifecycle"); buildErr != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", binDir, "../cmd/drainserver", "github.com/naru-rpc/naru/cmd/naru").CombinedOutput()
		if err != nil {
			buildErr = fmt.Errorf("%w: %s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return filepath.Join(binDir, name)
}

// A process is a running server.
type process struct {
	cmd   *exec.Cmd
	addr  string
	tmp   string // folder for its temporary files; empty: the system's
	out   *bufio.Reader
	ended bool
}

// start runs the server below a limit of descriptors, 0: as it is, and waits until it listens.
func start(t *testing.T, descriptors int, args ...string) *process {
	t.Helper()
	bin := binary(t, "drainserver")
	p := &process{cmd: exec.Command(bin, args...)}
	if descriptors > 0 {
		p.cmd = exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, descriptors), bin}, args...)...)
	}
	p.run(t)
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the server did not print its address: %v", err)
	}
	p.addr = strings.TrimSpace(line)
	awaitListening(t, p.addr)
	return p
}

// startDemo runs naru demo on an unused port and waits until it listens.
func startDemo(t *testing.T) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary(t, "naru"), "demo", "--addr", "127.0.0.1:0"), tmp: t.TempDir()}
	p.cmd.Env = append(os.Environ(), "TMPDIR="+p.tmp)
	p.run(t)
	for p.addr == "" {
		line, err := p.out.ReadString('\n')
		if err != nil {
			t.Fatalf("the demo did not print its address: %v", err)
		}
		if f := strings.Fields(line); len(f) > 1 && f[0] == "listening" {
			p.addr = f[1]
		}
	}
	return p
}

// run starts the process, which does not outlive the test.
func (p *process) run(t *testing.T) {
	t.Helper()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	p.out = bufio.NewReader(out)
}

func awaitListening(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		nc, err := net.Dial("tcp", addr)
		if err == nil {
			_ = nc.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not listen: %v", err)
		}
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait returns what the server printed at its end and its exit code.
func (p *process) wait(t *testing.T) (last string, code int) {
	t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	err = p.cmd.Wait()
	p.ended = true
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(rest)), p.cmd.ProcessState.ExitCode()
}

// dial returns a client of all the processes, in turn.
func dial(t *testing.T, ps ...*process) *naru.Client {
	t.Helper()
	addrs := make([]string, len(ps))
	for i, p := range ps {
		addrs[i] = p.addr
	}
	c, err := naru.NewClient("ipv4:"+strings.Join(addrs, ","), naru.WithPlaintext(), naru.WithBalancer(balancer.RoundRobin{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
