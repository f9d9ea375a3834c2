package health_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
	"github.com/naru-rpc/naru/health"
)

// signal is a writer that calls f at the first write.
type signal struct {
	once sync.Once
	f    func()
}

func (s *signal) Write(p []byte) (int, error) {
	s.once.Do(s.f)
	return len(p), nil
}

// TestWaitForAServerThatStartsLater starts the server when naru has said that it waits for it.
func TestWaitForAServerThatStartsLater(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := lis.Addr().String()
	lis.Close()
	srv, err := naru.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	h := health.NewServer()
	health.Register(srv, h)
	served := make(chan error, 1) // Serve's one result
	start := func() {
		lis, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			served <- err
			return
		}
		go func() { served <- srv.Serve(lis) }()
	}
	var out strings.Builder
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &signal{f: start}, Getenv: func(string) string { return "" }}
	if code := root.Main(t.Context(), env, []string{"health", addr, "--wait", "-v", "--timeout", "20s"}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasPrefix(out.String(), "SERVING (after ") {
		t.Errorf("output %q", out.String())
	}
	srv.Close()
	<-served
}
