package health_test

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

func serve(t *testing.T, h *health.Server) (*narutest.Server, *naru.Client) {
	s := narutest.NewServer(t, func(s *naru.Server) { health.Register(s, h) })
	return s, s.Client()
}

func TestCheckAndList(t *testing.T) {
	h := health.NewServer()
	_, c := serve(t, h)
	h.SetServingStatus("shop.Orders", health.NotServing)
	for service, want := range map[string]health.Status{"": health.Serving, "shop.Orders": health.NotServing} {
		if got, err := health.Check(t.Context(), c, service); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", service, got, err, want)
		}
	}
	if _, err := health.Check(t.Context(), c, "shop.Nothing"); status.Code(err) != codes.NotFound {
		t.Errorf("unknown service: %v, want NOT_FOUND", err)
	}
	all, err := health.List(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]health.Status{"": health.Serving, "shop.Orders": health.NotServing}, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestServerWithoutHealth(t *testing.T) {
	c := narutest.Serve(t, func(naru.ServiceRegistrar) {})
	if _, err := health.Check(t.Context(), c, ""); status.Code(err) != codes.Unimplemented {
		t.Errorf("check: %v, want UNIMPLEMENTED", err)
	}
	if _, err := health.List(t.Context(), c); status.Code(err) != codes.Unimplemented {
		t.Errorf("list: %v, want UNIMPLEMENTED", err)
	}
	for _, err := range health.Watch(t.Context(), c, "") {
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("watch: %v, want UNIMPLEMENTED", err)
		}
	}
}

// watcher pulls what Watch yields.
type watcher struct {
	t    *testing.T
	next func() (health.Status, error, bool)
}

func watch(ctx context.Context, t *testing.T, c *naru.Client, service string) *watcher {
	next, stop := iter.Pull2(health.Watch(ctx, c, service))
	t.Cleanup(stop)
	return &watcher{t, next}
}

func (w *watcher) want(s health.Status, why string) {
	w.t.Helper()
	got, err, ok := w.next()
	if !ok || err != nil || got != s {
		w.t.Fatalf("%v, %v, %v; want %v: %s", got, err, ok, s, why)
	}
}

func (w *watcher) wantEnd(code codes.Code, why string) {
	w.t.Helper()
	got, err, ok := w.next()
	if !ok || status.Code(err) != code {
		w.t.Fatalf("%v, %v, %v; want %v: %s", got, err, ok, code, why)
	}
	if got, err, ok := w.next(); ok {
		w.t.Fatalf("%v, %v after the error", got, err)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := health.NewServer()
		_, c := serve(t, h)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w := watch(ctx, t, c, "shop")
		w.want(health.ServiceUnknown, "not an error: the service may come")
		h.SetServingStatus("other", health.Serving)
		h.SetServingStatus("shop", health.Serving)
		w.want(health.Serving, "set")
		h.SetServingStatus("shop", health.NotServing)
		h.SetServingStatus("shop", health.Serving)
		h.SetServingStatus("shop", health.Unknown)      // once only, so that it ends what there is to read
		for s := health.Serving; s != health.Unknown; { // what lies between may be left out, the last may not
			var err error
			if s, err, _ = w.next(); err != nil {
				t.Fatal(err)
			}
		}
		h.SetServingStatus("shop", health.ServiceUnknown)
		w.want(health.ServiceUnknown, "forgotten")
		h.SetServingStatus("shop", health.Serving)
		w.want(health.Serving, "set again")
		h.Shutdown()
		w.want(health.NotServing, "all off")
		h.Resume()
		w.want(health.Serving, "all on")
		cancel()
		w.wantEnd(codes.Canceled, "the caller's context ended")
	})
}

func TestLeavingTheLoopEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := serve(t, health.NewServer())
		for got, err := range health.Watch(t.Context(), c, "") {
			if err != nil || got != health.Serving {
				t.Errorf("%v, %v", got, err)
			}
			break
		}
		start := time.Now()
		if err := s.Shutdown(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("shutdown: %v after %v; want nothing left to wait for", err, time.Since(start))
		}
	})
}

func TestWatchHoldsUpNoShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := health.NewServer()
		s, c := serve(t, h)
		w := watch(t.Context(), t, c, "")
		w.want(health.Serving, "now")
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			h.Shutdown()
			done <- s.Shutdown(t.Context())
		}()
		w.want(health.NotServing, "the news come before the end")
		w.wantEnd(codes.Unavailable, "the server drains")
		if err := <-done; err != nil || time.Since(start) > time.Second {
			t.Errorf("shutdown: %v after %v; want it not held up", err, time.Since(start))
		}
	})
}

func Example() {
	h := health.NewServer()
	server, err := naru.NewServer()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	health.Register(server, h)
	h.SetServingStatus("ecommerce.ProductInfo", health.Serving)

	client, err := naru.InProcess(server)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	fmt.Println(health.Check(context.Background(), client, "ecommerce.ProductInfo"))
	// Output: SERVING <nil>
}
