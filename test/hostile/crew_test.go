package hostile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"
)

// Attackers run in a process of their own, this test binary started again: so that heap, goroutines
// and latency of the process that is looked at are the server's and its client's. The child has one
// processor, GOMAXPROCS=1, and is told to stop by the end of its standard input.

// crewEnv names the class a child attacks with; crewAddr is whom.
const (
	crewEnv  = "NARU_HOSTILE_CLASS"
	crewAddr = "NARU_HOSTILE_ADDR"
)

// attackLimit ends attackers whose parent hangs.
const attackLimit = 2 * time.Minute

// A crew is the process of an attack's peers.
type crew struct {
	cmd  *exec.Cmd
	hold io.WriteCloser
	out  *bufio.Reader
}

// launch starts the attackers and returns when they are connected and begin.
func launch(t *testing.T, addr, class string) *crew {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crewEnv+"="+class, crewAddr+"="+addr, "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	hold, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	crew := &crew{cmd: cmd, hold: hold, out: bufio.NewReader(out)}
	if _, err := crew.out.ReadString('\n'); err != nil {
		crew.stop(t)
		t.Fatalf("the attackers did not start: %v", err)
	}
	return crew
}

// stop ends the attack and its process, and returns how many calls the attackers began.
func (c *crew) stop(t *testing.T) (calls int) {
	t.Helper()
	_ = c.hold.Close() // tells it; that it is gone already shows in Wait
	kill := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_, _ = fmt.Fscan(c.out, &calls) // 0: it did not come that far, which Wait tells
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the attackers' process: %v", err)
	}
	return calls
}

// attackers is the main function of the child.
func attackers(name, addr string) int {
	c := findClass(name)
	if c == nil {
		fmt.Fprintf(os.Stderr, "no class %q\n", name)
		return 2
	}
	if c.prepare != nil {
		c.prepare()
	}
	stop := make(chan struct{})
	var peers []*peer
	for range hostiles {
		p, err := dialPeer(addr, stop, c.raw, c.settings...)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if !c.deaf {
			p.read()
		}
		peers = append(peers, p)
	}
	fmt.Println("attacking")
	var wg sync.WaitGroup
	for _, p := range peers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c.attack(p)
		}()
	}
	limit := time.AfterFunc(attackLimit, func() { os.Exit(3) })
	defer limit.Stop()
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it, or is gone
	close(stop)
	for _, p := range peers {
		p.close()
	}
	wg.Wait()
	calls := 0
	for _, p := range peers {
		calls += int(p.nextID/2) + p.hits
	}
	fmt.Println(calls)
	return 0
}

var classTables = [][]class{resetClasses, headerClasses, floodClasses, memoryClasses, slowClasses, callClasses}

// besideClasses are for TestBeside only.
var allClasses = append(slices.Clip(classTables), besideClasses)

func findClass(name string) *class {
	for _, table := range allClasses {
		for i := range table {
			if table[i].name == name {
				return &table[i]
			}
		}
	}
	return nil
}
