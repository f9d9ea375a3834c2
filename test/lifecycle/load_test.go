//go:build unix

package lifecycle

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// load is calls at a steady pace.
type load struct {
	calls, failed atomic.Int64
	first         atomic.Value // error of the first that failed
	stop          chan struct{}
	wg            sync.WaitGroup
}

// perSecond is the pace.
const perSecond = 2000

// begin calls, whatever becomes of the calls before (an open loop): a busy machine that is late
// makes up for it.
func begin(call func() error) *load {
	l := &load{stop: make(chan struct{})}
	l.wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for begun, n := time.Now(), 0; ; {
			select {
			case <-l.stop:
				return
			case <-tick.C:
			}
			for due := int(time.Since(begun) * perSecond / time.Second); n < due; n++ {
				l.calls.Add(1)
				l.wg.Go(func() {
					if err := call(); err != nil {
						l.failed.Add(1)
						l.first.CompareAndSwap(nil, err)
					}
				})
			}
		}
	})
	return l
}

// end stops the load, waits for its calls, and wants none to have failed.
func (l *load) end(t *testing.T) {
	t.Helper()
	close(l.stop)
	l.wg.Wait()
	if l.failed.Load() > 0 {
		t.Errorf("%d of %d calls failed, the first with: %v", l.failed.Load(), l.calls.Load(), l.first.Load())
	}
}

// await waits until so many calls have begun.
func (l *load) await(calls int64) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for l.calls.Load() < calls {
		<-tick.C
	}
}

// stopUnderLoad tells p to stop, half a second into a load that half goes to it, and returns what
// it said at its end. No call may fail.
func stopUnderLoad(t *testing.T, p *process, sig syscall.Signal, call func() error) (last string, code int) {
	t.Helper()
	if err := call(); err != nil {
		t.Fatal(err)
	}
	l := begin(call)
	l.await(perSecond / 2)
	p.signal(t, sig)
	last, code = p.wait(t)
	after := l.calls.Load()
	l.await(after + perSecond/2)
	l.end(t)
	t.Logf("%d calls, %d before the end of the process", l.calls.Load(), after)
	return last, code
}

var signals = map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "Ctrl-C": syscall.SIGINT}

// TestTermUnderLoad: of two servers at 2,000 calls a second one is told to stop; no call fails.
func TestTermUnderLoad(t *testing.T) {
	for name, sig := range signals {
		t.Run(name, func(t *testing.T) {
			a, b := start(t, 0), start(t, 0)
			echo := benchpbnaru.NewEchoClient(dial(t, a, b))
			ctx := within(t, 30*time.Second)
			last, code := stopUnderLoad(t, a, sig, func() error {
				_, err := echo.Unary(ctx, &benchpb.Message{Id: 3000})
				return err
			})
			if code != 0 || last != "ended: drained" {
				t.Errorf("the server ended with %d and %q, want a complete drain", code, last)
			}
		})
	}
}

// TestDemoUnderLoad is the same for naru demo, whose health checks tell that it goes.
func TestDemoUnderLoad(t *testing.T) {
	for name, sig := range signals {
		t.Run(name, func(t *testing.T) {
			a, b := startDemo(t), startDemo(t)
			shop := ecommerce.NewProductInfoClient(dial(t, a, b))
			ctx := within(t, 30*time.Second)
			told := watchHealth(ctx, dial(t, a))
			last, code := stopUnderLoad(t, a, sig, func() error {
				if _, err := shop.GetProduct(ctx, &ecommerce.ProductID{Value: "nothing"}); status.Code(err) != codes.NotFound {
					return status.Errorf(codes.Unknown, "want NOT_FOUND, which only the shop says: %v", err)
				}
				return nil
			})
			if code != 0 || !strings.HasSuffix(last, "Every call has ended. Goodbye.") {
				t.Errorf("the demo ended with %d and %q, want a complete drain", code, last)
			}
			if got := <-told; got != health.NotServing {
				t.Errorf("health checks said %v before the end, want NOT_SERVING", got)
			}
			if left := leftovers(t, a); len(left) > 0 {
				t.Errorf("the demo left %v behind", left)
			}
		})
	}
}

// watchHealth returns the last status that was told before the server went away.
func watchHealth(ctx context.Context, cc naru.ClientConnInterface) <-chan health.Status {
	last := make(chan health.Status, 1) // capacity 1: one result
	go func() {
		var got health.Status
		for s, err := range health.Watch(ctx, cc, ecommerce.ProductInfo_ServiceName) {
			if err != nil {
				break
			}
			got = s
		}
		last <- got
	}()
	return last
}

// leftovers are the files of a process's temporary folder.
func leftovers(t *testing.T, p *process) (names []string) {
	t.Helper()
	list, err := os.ReadDir(p.tmp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
