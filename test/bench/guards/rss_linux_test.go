package guards

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// TestResidentMemoryUnderLargeCalls: a server that receives and sends messages of 64 KiB as fast as
// it can stays small, since the pace of the collector is left to the program's own settings.
// Measured: 6 to 9 MB more than with one connection that made one call; 72 MB when the library held
// a ballast.
func TestResidentMemoryUnderLargeCalls(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be counted too")
	}
	const (
		size, callers, each = 64 << 10, 8, 500
		limit               = 25 << 20
	)
	pid, addr := serveElsewhere(t)
	client, err := echo.NewClient(echo.Naru, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	msg := &benchpb.Message{Message: strings.Repeat("x", size)}
	if _, err := client.Unary(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	before := processMemory(t, pid, "VmRSS")
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if _, err := client.Unary(t.Context(), msg); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	grown := processMemory(t, pid, "VmHWM") - before
	t.Logf("%d calls of %d bytes: %d bytes resident before, %d more at most", callers*each, size, before, grown)
	if grown > limit {
		t.Errorf("resident memory grew by %d bytes, want %d at most", grown, limit)
	}
}

// serveElsewhere starts an echo server in a process of its own, which ends with the test.
func serveElsewhere(t *testing.T) (pid int, addr string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "echoserver")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/echoserver").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(bin, "--addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "GOGC=100", "GOMEMLIMIT=off") // the figures hold for the defaults
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			t.Errorf("echoserver: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(line)
	return cmd.Process.Pid, words[len(words)-1]
}

// processMemory returns a memory figure of a process in bytes: VmRSS or VmHWM, its highest.
func processMemory(t *testing.T, pid int, name string) (n int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(name+":")); ok {
			if _, err := fmt.Sscanf(string(rest), "%d kB", &n); err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s in /proc/%d/status", name, pid)
	return 0
}
