package channel

import (
	"context"
	"encoding/base64"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
)

// counting is pick_first with a count of picks that have not heard of their end.
type counting struct {
	balancer.PickFirst
	open *atomic.Int64
}

func (c counting) Name() string { return "counting" }

func (c counting) New(h balancer.Host) balancer.Balancer {
	return countingBalancer{c.PickFirst.New(countingHost{h, c.open})}
}

type countingBalancer struct{ balancer.Balancer }

func (b countingBalancer) Update(u balancer.Update) error {
	u.Policy = balancer.PickFirst{}
	return b.Balancer.Update(u)
}

type countingHost struct {
	balancer.Host
	open *atomic.Int64
}

func (h countingHost) Publish(s balancer.State) {
	s.Picker = countingPicker{s.Picker, h.open}
	h.Host.Publish(s)
}

type countingPicker struct {
	balancer.Picker
	open *atomic.Int64
}

func (c countingPicker) Pick(info *balancer.CallInfo, p *balancer.Pick) error {
	if err := c.Picker.Pick(info, p); err != nil {
		return err
	}
	c.open.Add(1)
	p.Watch(c, 7)
	return nil
}

func (c countingPicker) Done(_ *balancer.DoneInfo, token int64) {
	if token == 7 {
		c.open.Add(-1)
	}
}

// TestEveryPickHearsOfItsEnd: also those that came to nothing, because there was no stream, the
// connection had just ended, the call was to avoid it, or its time was up.
func TestEveryPickHearsOfItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.limit = 1
		var open atomic.Int64
		c := newTest(t, n, Config{Policy: counting{open: &open}, MaxConnections: 1}, "a:1")
		want := func(count int64, why string) {
			t.Helper()
			if got := open.Load(); got != count {
				t.Errorf("picks not ended: got %d, want %d: %s", got, count, why)
			}
		}
		conn, done := mustPick(t, c, client.PickInfo{Attempt: 1})
		want(1, "a call is under way")
		if _, _, err := c.Pick(context.Background(), &client.PickInfo{Attempt: 1, Deadline: time.Now().Add(time.Second)}); err == nil {
			t.Fatal("there was a second stream")
		}
		want(1, "no stream in time")
		done(client.DoneInfo{})
		want(0, "it ended")
		_, done = mustPick(t, c, client.PickInfo{Attempt: 2, Avoid: []transport.ClientConn{conn}})
		want(1, "asked again in vain to avoid it")
		done(client.DoneInfo{})
		conn.goAway(0, "")
		_, done = mustPick(t, c, client.PickInfo{Attempt: 2})
		want(1, "the connection had just ended")
		done(client.DoneInfo{})
		want(0, "all ended")
	})
}

// TestDialFunctionThatIgnoresItsContext: neither the attempt nor Close hangs on it.
func TestDialFunctionThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		release := make(chan struct{})
		late := newFakeConn("a:1", 1)
		c := newTest(t, n, Config{Dial: func(context.Context, Destination) (transport.ClientConn, error) {
			<-release
			return late, nil
		}}, "a:1")
		start := time.Now()
		_, _, err := c.Pick(context.Background(), &client.PickInfo{})
		if got, want := time.Since(start), defaultConnectTimeout+dialGrace; err == nil || got != want {
			t.Errorf("failed after %v with %v, want after %v", got, err, want)
		}
		c.Close()
		wantState(t, c, connectivity.Shutdown, "Close does not wait for it")
		close(release)
		<-late.done // what came too late was closed
	})
}

// TestLoadReportOfTrailers: the balancer gets the message, not the base64 it travels as.
func TestLoadReportOfTrailers(t *testing.T) {
	want := string(balancer.AppendLoadReport(nil, &balancer.LoadReport{Application: 0.5, QPS: 100}))
	for name, tt := range map[string]struct{ value, want string }{
		"padded":   {base64.StdEncoding.EncodeToString([]byte(want)), want},
		"unpadded": {base64.RawStdEncoding.EncodeToString([]byte(want)), want},
		"nonsense": {"\x09!", ""},
	} {
		got := loadReport([]transport.Field{{Name: "grpc-status", Value: "0"}, {Name: "endpoint-load-metrics-bin", Value: tt.value}})
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
