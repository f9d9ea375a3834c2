package channel

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/health"
)

// TestTenThousandProbes: health checks against targets that are up, refusing, silent, and wrong on
// TLS leave descriptors and goroutines as they were.
func TestTenThousandProbes(t *testing.T) {
	descriptors, goroutines := openDescriptors(t), runtime.NumGoroutine()
	up := start(t, "127.0.0.1", 0, func(b *backend) runner {
		srv, err := naru.NewServer(naru.WithLogger(quiet))
		if err != nil {
			t.Fatal(err)
		}
		health.Register(srv, health.NewServer())
		return naruRunner{srv}
	}, echo)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()

	plaintext := naru.WithPlaintext()
	targets := []struct {
		addr string
		opt  naru.ClientOption
		ok   bool
	}{
		{up.addr, plaintext, true},
		{refusing.Addr().String(), plaintext, false},
		{silent.Addr().String(), plaintext, false},
		{up.addr, naru.WithTLS(&tls.Config{ServerName: "localhost"}), false},
	}
	probe := func(i int) bool {
		target := targets[i%len(targets)]
		c, err := naru.NewClient("passthrough:///"+target.addr, target.opt, naru.WithLogger(quiet))
		if err != nil {
			t.Error(err)
			return false
		}
		defer c.Close()
		timeout := 10 * time.Second
		if i%len(targets) == 2 {
			timeout = 10 * time.Millisecond // a silent one has to be waited for
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		status, err := health.Check(ctx, c, "")
		return (err == nil && status == health.Serving) == target.ok
	}
	const probes, workers = 10_000, 20
	var next, wrong atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= probes; i = int(next.Add(1)) {
				if !probe(i) {
					wrong.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d of %d probes had another result than the target's", n, probes)
	}
	up.kill()
	silent.Close()
	settled := func() bool {
		return openDescriptors(t) <= descriptors && runtime.NumGoroutine() <= goroutines
	}
	for deadline := time.Now().Add(5 * time.Second); !settled() && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond) // the kernel's and the server's side of the last connections
	}
	if !settled() {
		stacks := make([]byte, 1<<20)
		t.Errorf("descriptors: %d before, %d after; goroutines: %d before, %d after:\n%s",
			descriptors, openDescriptors(t), goroutines, runtime.NumGoroutine(), stacks[:runtime.Stack(stacks, true)])
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors cannot be counted here: %v", err)
	}
	return len(entries)
}
