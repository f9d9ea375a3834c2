package hostile

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Attackers run in a process of their own, this test binary started again: so that heap, goroutines and
// latency of the process that is looked at are the server's and its client's. The child has one
// processor, GOMAXPROCS=1, and is told to stop by the end of its standard input.

// crewEnv names the class a child attacks with; crewAddr is whom.
const (
	crewEnv  = "NARU_HOSTILE_CLASS"
	crewAddr = "NARU_HOSTILE_ADDR"
)

// A crew is the process of an attack's peers.
type crew struct {
	cmd  *exec.Cmd
	hold io.WriteCloser
}

// launch starts the attackers and returns when they are connected and begin.
func launch(t *testing.T, v *victim, c *class) *crew {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), crewEnv+"="+c.name, crewAddr+"="+v.addr, "GOMAXPROCS=1")
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
	crew := &crew{cmd: cmd, hold: hold}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		crew.stop(t)
		t.Fatalf("the attackers did not start: %v", err)
	}
	return crew
}

// stop ends the attack and its process.
func (c *crew) stop(t *testing.T) {
	t.Helper()
	_ = c.hold.Close() // tells it; that it is gone already shows in Wait
	kill := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("the attackers' process: %v", err)
	}
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
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes it, or is gone
	close(stop)
	for _, p := range peers {
		p.close()
	}
	wg.Wait()
	return 0
}

var classTables = [][]class{resetClasses, headerClasses, floodClasses, memoryClasses, slowClasses, callClasses}

func findClass(name string) *class {
	for _, table := range classTables {
		for i := range table {
			if table[i].name == name {
				return &table[i]
			}
		}
	}
	return nil
}
