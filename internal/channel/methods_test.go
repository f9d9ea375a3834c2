package channel

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
)

func TestMethodTable(t *testing.T) {
	names := func(service, method string) []serviceconfig.Name {
		return []serviceconfig.Name{{Service: service, Method: method}}
	}
	table := newMethodTable(&serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{
		{Name: names("p.S", "m"), Timeout: 1},
		{Name: names("p.S", ""), Timeout: 2},
		{Name: names("", ""), Timeout: 3},
		{Name: names("p.T", "retry"), RetryPolicy: &serviceconfig.RetryPolicy{MaxAttempts: 9, RetryableStatusCodes: []codes.Code{codes.Aborted}}},
	}}, 5, nil)
	for path, want := range map[string]time.Duration{
		"/p.S/m": 1, "/p.S/n": 2, "/p.S/": 2, "/p.S2/m": 3, "/p.T/x": 3, "": 3, "nothing": 3,
	} {
		if got := table.find(path); got == nil || got.Timeout != want {
			t.Errorf("find(%q): got %+v, want the entry with timeout %v", path, got, want)
		}
	}
	r := table.find("/p.T/retry").Retry
	if r.MaxAttempts != 5 || !r.Retryable.Has(codes.Aborted) || r.Retryable.Has(codes.Unavailable) {
		t.Errorf("retry policy: got %+v, want 5 attempts (the client's maximum) for ABORTED", r)
	}
	if m := newMethodTable(&serviceconfig.Config{}, 5, nil).find("/p.S/m"); m != nil {
		t.Errorf("an empty config says %+v of a method, want nothing", m)
	}
}

func TestThrottleOutlivesAnUpdate(t *testing.T) {
	budget := func(n float64) *serviceconfig.Config {
		return &serviceconfig.Config{RetryThrottling: &serviceconfig.RetryThrottling{MaxTokens: n, TokenRatio: 0.1}}
	}
	first := newMethodTable(budget(10), 5, nil)
	if again := newMethodTable(budget(10), 5, first); again.throttle != first.throttle {
		t.Errorf("an update with the same budget began to count anew")
	}
	if other := newMethodTable(budget(20), 5, first); other.throttle == first.throttle {
		t.Errorf("another budget did not take effect")
	}
}

func TestMethodConfigWaitsForTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := newFakeNet(t), newManual()
		c := newTestWith(t, n, Config{Target: "test:///x", Resolvers: resolver.NewRegistry(m),
			ParseServiceConfig: func(string) (*serviceconfig.Config, error) { return nil, nil }})
		got := make(chan *client.MethodConfig)
		go func() {
			mc, err := c.MethodConfig(context.Background(), "/s/m", time.Time{})
			if err != nil {
				t.Error(err)
			}
			got <- mc
		}()
		<-m.run
		synctest.Wait()
		sc := &serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{Name: []serviceconfig.Name{{}}, Timeout: time.Second}}}
		if err := m.w.Update(resolver.State{Endpoints: resolver.EndpointsOf("a:1"), ServiceConfig: sc}); err != nil {
			t.Fatal(err)
		}
		if mc := <-got; mc == nil || mc.Timeout != time.Second {
			t.Errorf("method config: got %+v, want the one that came with the names", mc)
		}
	})
}
