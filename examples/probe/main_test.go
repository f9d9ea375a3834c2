package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/health/narucli"
)

// TestMain makes the test's program a service with the sub-command, as main does.
func TestMain(m *testing.M) {
	narucli.Main()
	os.Exit(m.Run())
}

func TestProbe(t *testing.T) {
	srv, err := newServer()
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // the one result of Serve
	go func() { served <- srv.Serve(lis) }()
	probe := func(want string, code int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "health", "-connect-timeout", "3s", lis.Addr().String())
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), want) {
			t.Errorf("exit code %d, output %q; want %d and %q", got, out, code, want)
		}
	}
	probe("status: SERVING\n", 0)
	srv.Close()
	<-served
	probe("timeout: failed to connect", 2)
}
