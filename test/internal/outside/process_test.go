package outside

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestListener is the process of the tests below, when they run this binary: it listens on the port
// of its environment, unless it is the first of its folder, whose port it says is taken.
func TestListener(t *testing.T) {
	dir, port := os.Getenv("OUTSIDE_TEST_DIR"), os.Args[len(os.Args)-1]
	if dir == "" {
		t.Skip("run by other tests")
	}
	f, err := os.OpenFile(filepath.Join(dir, "began"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(f.Name())
	if err == nil {
		_, err = fmt.Fprintln(f, port)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if taken := os.Getenv("OUTSIDE_TEST_TAKEN"); taken == "always" || taken == "first" && len(before) == 0 {
		t.Fatalf("listen tcp 127.0.0.1:%s: bind: address already in use", port)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	for {
		nc, err := lis.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.Close() // it was to see that something listens
	}
}

// A server whose port another program has taken meanwhile is started on another port; one that
// fails otherwise, or always, is an error.
func TestPortsThatAreTakenMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name, taken, argument string
		began                 int
		want                  string // of the error
	}{
		{"free", "never", "{port}", 1, ""},
		{"taken once", "first", "{port}", 2, ""},
		{"taken always", "always", "{port}", 5, "already in use"},
		{"another fault", "never", "no port", 1, "did not listen"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tree := &Tree{Root: dir}
			env := []string{"OUTSIDE_TEST_DIR=" + dir, "OUTSIDE_TEST_TAKEN=" + tt.taken}
			p, err := tree.startCommand(t.Context(), "listener", env, os.Args[0], "-test.run=^TestListener$", "-test.v", tt.argument)
			if err == nil {
				p.Stop()
			}
			if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			began, err := os.ReadFile(filepath.Join(dir, "began"))
			if err != nil {
				t.Fatal(err)
			}
			ports := strings.Fields(strings.ReplaceAll(string(began), "no port", "none"))
			if len(ports) != tt.began || tt.began == 2 && ports[0] == ports[1] {
				t.Errorf("started on %v, want %d different ports", ports, tt.began)
			}
		})
	}
}
