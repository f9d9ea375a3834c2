package naru_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

func TestServiceConfigJSON(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{`{"methodConfig":[{"name":[{}],"retrypolicy":{}}]}`, `methodConfig[0].retrypolicy: unknown key; did you mean "retryPolicy"?`},
		{`{"loadBalancingConfig":[{"mine":{"x":1}}]}`, `there is no policy "mine"`},
		{`{`, "ends too early"},
	} {
		_, err := naru.NewClient("passthrough:///x", naru.WithServiceConfigJSON(tt.in))
		if err == nil || !strings.Contains(err.Error(), "WithServiceConfigJSON") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want WithServiceConfigJSON and %s", tt.in, err, tt.want)
		}
	}
	bad := &serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{}}}
	if _, err := naru.NewClient("passthrough:///x", naru.WithServiceConfig(bad)); err == nil || !strings.Contains(err.Error(), "methodConfig[0].name") {
		t.Errorf("a config without names: got %v", err)
	}
	mine := func(o *serviceconfig.Object) balancer.Policy {
		var n int
		o.Int("x", &n, 1, 9)
		return balancer.RoundRobin{}
	}
	c, err := naru.NewClient("passthrough:///x", naru.WithBalancerParser("mine", mine),
		naru.WithServiceConfigJSON(`{"loadBalancingConfig":[{"mine":{"x":1}}]}`))
	if err != nil {
		t.Fatalf("a policy of one's own: %v", err)
	}
	c.Close()
}

func TestBadChannelOptionsAreNamed(t *testing.T) {
	_, err := naru.NewClient("passthrough:///x", naru.WithConnectionScaling(-1), naru.WithLimits(limits.Limits{MaxAttempts: -1}), naru.WithBalancerParser("", nil))
	for _, want := range []string{"WithConnectionScaling(-1)", "WithLimits: MaxAttempts -1", `WithBalancerParser("")`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestBadPoliciesAreNamed(t *testing.T) {
	outlier := balancer.OutlierDetection{MaxPercent: 101, Child: balancer.LeastRequest{Choices: 1}}
	for _, opt := range []naru.ClientOption{
		naru.WithBalancer(outlier), naru.WithServiceConfig(&serviceconfig.Config{LoadBalancingConfig: outlier}),
	} {
		_, err := naru.NewClient("passthrough:///x", opt)
		for _, want := range []string{"outlier_detection_experimental", "MaxPercent 101", "least_request_experimental", "Choices is 1"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
}

func TestTimeoutOfTheServiceConfig(t *testing.T) {
	wait := func() *echo {
		return &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			<-ctx.Done()
			return nil, status.FromContextError(ctx.Err()).Err()
		}}
	}
	p := start(t, "http2", wait(), clientOnly{naru.WithServiceConfigJSON(`{"methodConfig":[{"name":[{"service":"test.Echo"}],"timeout":"0.02s"}]}`)})
	if _, err := p.unary(t.Context(), "x"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want DEADLINE_EXCEEDED after 20 ms", err)
	}
}

// logBuffer is a log that is written and read by different goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// collect runs the garbage collector until done.
func collect(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !done() && time.Now().Before(deadline); {
		runtime.GC()
		runtime.Gosched()
	}
}

func TestDroppedClientIsReported(t *testing.T) {
	narutest.CheckLeaks(t)
	var log logBuffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	srv := start(t, "http2", plain())
	_, file, line, _ := runtime.Caller(0)
	drop := func() {
		c, err := naru.NewClient("passthrough:///unused", naru.WithPlaintext(), naru.WithLogger(logger), naru.WithDialer(dialTo(t, srv)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&pair{Client: c}).unary(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
	}
	drop()
	place := fmt.Sprintf("%s:%d", file, line+2)
	collect(t, func() bool { return strings.Contains(log.String(), place) })
	if got := strings.Count(log.String(), "dropped without Close"); got != 1 || !strings.Contains(log.String(), place) {
		t.Errorf("reported %d times, want once with %s:\n%s", got, place, log.String())
	}

	c, err := naru.NewClient("passthrough:///x", naru.WithPlaintext(), naru.WithLogger(logger))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	c = nil
	for range 10 {
		runtime.GC()
	}
	if got := strings.Count(log.String(), "dropped without Close"); got != 1 {
		t.Errorf("a client that was closed was reported:\n%s", log.String())
	}
}

// dialTo returns a dialer that leads to a pair's server whatever the address.
func dialTo(t *testing.T, p *pair) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	var peer naru.Peer
	if err := p.Invoke(t.Context(), methodUnary, str("x"), new(text), naru.CapturePeer(&peer)); err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", peer.Addr.String())
	}
}

func TestChannelPool(t *testing.T) {
	srv := start(t, "http2", plain())
	dial := dialTo(t, srv)
	var dials int
	var mu sync.Mutex
	counted := func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		dials++
		mu.Unlock()
		return dial(ctx, network, addr)
	}
	var pool naru.ChannelPool
	dialer := naru.WithDialer(counted)
	client := func(opts ...naru.ClientOption) *pair {
		t.Helper()
		c, err := naru.NewClient("passthrough:///x", append([]naru.ClientOption{
			naru.WithPlaintext(), naru.WithLogger(quiet), dialer, naru.WithChannelPool(&pool)}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := (&pair{Client: c}).unary(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		return &pair{Client: c}
	}
	a, b := client(), client(naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 100}))
	if dials != 1 {
		t.Errorf("%d connections for two clients with equal settings, want 1", dials)
	}
	client(naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: time.Minute}))
	client(naru.WithBalancer(balancer.RoundRobin{}))
	client(naru.WithResolvers(resolver.Static("other")))
	client(naru.WithDialer(counted))
	if dials != 5 {
		t.Errorf("%d connections, want 5: other settings, other connections", dials)
	}
	a.Close()
	if _, err := b.unary(t.Context(), "x"); err != nil {
		t.Errorf("the second client after the first was closed: %v", err)
	}
	b.Close()
	if _, err := b.unary(t.Context(), "x"); status.Code(err) != codes.Canceled {
		t.Errorf("the second client after it was closed: got %v, want CANCELED", err)
	}
	client()
	if dials != 6 {
		t.Errorf("%d connections, want 6: the shared one was closed by its last user", dials)
	}
}

func TestFailureAsData(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis.Close()
	c, err := naru.NewClient("passthrough:///"+lis.Addr().String(), naru.WithPlaintext(), naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = (&pair{Client: c}).unary(t.Context(), "x")
	var f *connectivity.Failure
	r, ok := status.Local[*connectivity.Report](err)
	if status.Code(err) != codes.Unavailable || !errors.As(err, &f) || f.Reason != connectivity.Refused || !ok || r.Last.Reason != connectivity.Refused {
		t.Errorf("got %v, report %+v, want UNAVAILABLE, refused in both", err, r)
	}
	if got := c.Stats().Failures[connectivity.Refused]; got != 1 {
		t.Errorf("refused: counted %d, want 1", got)
	}
}

func TestProxyOption(t *testing.T) {
	broken := errors.New("which proxy?")
	c, err := naru.NewClient("passthrough:///shop:1", naru.WithPlaintext(), naru.WithLogger(quiet),
		naru.WithProxy(func(hostport string) (*url.URL, error) {
			if hostport != "shop:1" {
				t.Errorf("asked for %s, want shop:1", hostport)
			}
			return nil, broken
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := (&pair{Client: c}).unary(t.Context(), "x"); !errors.Is(err, broken) {
		t.Errorf("got %v, want the proxy function's error", err)
	}
}

// A deadline that passes tells what the time went on, also when a connection was found in the end.
func TestDeadlineTellsWhereTheTimeWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := newCluster(t, "a:1").up()
		cl.bs[0].does(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return status.Error(codes.Internal, "too late")
		})
		slow := func(ctx context.Context, network, address string) (net.Conn, error) {
			select {
			case <-time.After(30 * time.Millisecond):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return cl.net.Dial(ctx, network, address)
		}
		c := cl.dial("passthrough:///a:1", naru.WithDialer(slow))
		_, err := (&pair{Client: c}).unary(t.Context(), "x", naru.WithTimeout(80*time.Millisecond))
		r, ok := status.Local[*connectivity.Report](err)
		if status.Code(err) != codes.DeadlineExceeded || !ok || r.Connecting != 30*time.Millisecond || r.DeadlineBy != "WithTimeout" {
			t.Errorf("got %v, report %+v, want DEADLINE_EXCEEDED by WithTimeout after 30 ms of connecting", err, r)
		}
		// The server ends the call at the same instant. Whether its end comes first makes no
		// difference.
		for _, want := range []string{"set by WithTimeout", "no response received", "before that: ", "connecting"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not tell %q", err, want)
			}
		}
		cl.end(c)
	})
}
