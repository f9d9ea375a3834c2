package features

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func yes() *bool { b := true; return &b }

// TestMethodConfigs: the entry of a method, of its service and of all methods, each with what it
// says.
func TestMethodConfigs(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		cfg := &serviceconfig.Config{
			ConnectionScaling: &serviceconfig.ConnectionScaling{MaxConnectionsPerSubchannel: 2},
			MethodConfig: []serviceconfig.MethodConfig{
				{Name: []serviceconfig.Name{{Service: "test.Features", Method: "Get"}}, MaxRequestMessageBytes: 20, MaxResponseMessageBytes: 30, WaitForReady: yes()},
				{Name: []serviceconfig.Name{{Service: "test.Features"}}, Timeout: 3 * time.Second},
			},
		}
		c := fl.client(naru.WithServiceConfig(cfg), naru.WithBackoff(connectivity.Backoff{MaxDelay: time.Second}))
		b := fl.bs[0]
		if _, err := get(c); err != nil {
			t.Fatal(err)
		}
		wantCode(t, c.Invoke(t.Context(), idempotent, wrapperspb.String(strings.Repeat("x", 30)), new(text)), codes.ResourceExhausted, "MaxRequestMessageBytes")
		b.does(func(context.Context, string) (string, error) { return strings.Repeat("x", 40), nil })
		wantCode(t, c.Invoke(t.Context(), idempotent, wrapperspb.String("q"), new(text)), codes.ResourceExhausted, "MaxResponseMessageBytes")
		start := time.Now()
		b.does(func(ctx context.Context, _ string) (string, error) { <-ctx.Done(); return "", ctx.Err() })
		err := c.Invoke(t.Context(), plain, wrapperspb.String("q"), new(text))
		if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || took != 3*time.Second {
			t.Errorf("Timeout: %v after %v, want DEADLINE_EXCEEDED after 3s", err, took)
		}
		b.kill()
		pass(time.Second)
		wantCode(t, c.Invoke(t.Context(), plain, wrapperspb.String("q"), new(text)), codes.Unavailable, "without WaitForReady")
		b.does(func(context.Context, string) (string, error) { return "a", nil })
		time.AfterFunc(5*time.Second, b.up)
		if _, err := get(c); err != nil {
			t.Errorf("WaitForReady: %v, want the call to outlast the restart", err)
		}
	}, "a")
}

func wantCode(t *testing.T, err error, code codes.Code, what string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("%s: got %v, want %v", what, err, code)
	}
}

// TestMaxConnections: a service config bounds the connections that the server's limit of streams
// may call for.
func TestMaxConnections(t *testing.T) {
	for _, n := range []int{1, 3} {
		virtual(t, func(t *testing.T, fl *fleet) {
			b := fl.start("a", naru.WithLimits(limits.Limits{MaxConcurrentStreams: 1}))
			release := make(chan struct{})
			b.does(func(context.Context, string) (string, error) { <-release; return "a", nil })
			c := fl.client(naru.WithServiceConfig(&serviceconfig.Config{ConnectionScaling: &serviceconfig.ConnectionScaling{MaxConnectionsPerSubchannel: n}}))
			ready(t, c)
			done := make(chan []error, 1)
			go func() { done <- many(c, 5) }()
			pass(time.Second)
			if got := b.conns.Load(); got != int64(n) {
				t.Errorf("%d connections for five calls, want %d", got, n)
			}
			close(release)
			if errs := <-done; len(errs) > 0 {
				t.Error(errs)
			}
		})
	}
}

// TestRetriesAndTheirBudget: a retry policy repeats, a hedging policy sends further attempts, and
// throttling stops both.
func TestRetriesAndTheirBudget(t *testing.T) {
	all := []serviceconfig.Name{{}}
	retry := &serviceconfig.RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Second, MaxBackoff: time.Second, BackoffMultiplier: 1, RetryableStatusCodes: []codes.Code{codes.Aborted}}
	slow := &serviceconfig.RetryPolicy{MaxAttempts: 2, InitialBackoff: time.Second, MaxBackoff: time.Second, BackoffMultiplier: 1, PerAttemptRecvTimeout: time.Second, RetryableStatusCodes: []codes.Code{codes.Aborted}}
	hedge := &serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: time.Second, NonFatalStatusCodes: []codes.Code{codes.Aborted}}
	tight := &serviceconfig.RetryThrottling{MaxTokens: 2, TokenRatio: 0.001}
	for name, tt := range map[string]struct {
		cfg   serviceconfig.Config
		hang  bool
		calls int64
	}{
		"retry":               {serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{Name: all, RetryPolicy: retry}}}, false, 3},
		"retry, throttled":    {serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{Name: all, RetryPolicy: retry}}, RetryThrottling: tight}, false, 1},
		"per attempt timeout": {serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{Name: all, RetryPolicy: slow}}}, true, 2},
		"hedging":             {serviceconfig.Config{MethodConfig: []serviceconfig.MethodConfig{{Name: all, HedgingPolicy: hedge}}}, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				fl.bs[0].does(func(ctx context.Context, _ string) (string, error) {
					if tt.hang {
						<-ctx.Done()
						return "", ctx.Err()
					}
					return "", status.Error(codes.Aborted, "again")
				})
				c := fl.client(naru.WithServiceConfig(&tt.cfg))
				if _, err := get(c); err == nil {
					t.Error("the call succeeded")
				}
				pass(time.Second)
				if got := fl.bs[0].calls.Load(); got != tt.calls {
					t.Errorf("%d attempts, want %d", got, tt.calls)
				}
			}, "a")
		})
	}
}

// TestAuthorityAndUserAgent: what the server sees of the options.
func TestAuthorityAndUserAgent(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		var md metadata.MD
		fl.bs[0].does(func(ctx context.Context, _ string) (string, error) {
			md, _ = metadata.FromIncomingContext(ctx)
			return "a", nil
		})
		want(t, fl.client(naru.WithAuthority("shop.example"), naru.WithUserAgent("shop/1.2")))
		if a, u := md.First(":authority"), md.First("user-agent"); a != "shop.example" || !strings.HasPrefix(u, "shop/1.2 grpc-") {
			t.Errorf("the server sees the authority %q and the user agent %q", a, u)
		}
	}, "a")
}

// TestPolling: when a polling resolver looks its target up.
func TestPolling(t *testing.T) {
	steady := connectivity.Backoff{BaseDelay: 3 * time.Second, Multiplier: 1, Jitter: -1, MaxDelay: 3 * time.Second}
	for name, tt := range map[string]struct {
		opts   resolver.PollOptions
		fails  bool
		hangs  bool
		wanted int64 // look-ups within 30 s
	}{
		"interval":   {resolver.PollOptions{Interval: 10 * time.Second}, false, false, 3},
		"backoff":    {resolver.PollOptions{Backoff: steady}, true, false, 10},
		"timeout":    {resolver.PollOptions{Timeout: 2 * time.Second, Backoff: steady}, false, true, 6},
		"on failure": {resolver.PollOptions{Interval: -1, MinInterval: 7 * time.Second}, false, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, func(t *testing.T, fl *fleet) {
				var n atomic.Int64
				lookup := func(ctx context.Context, target resolver.Target) (resolver.State, error) {
					n.Add(1)
					if tt.hangs {
						<-ctx.Done()
						return resolver.State{}, ctx.Err()
					}
					if tt.fails {
						return resolver.State{}, errors.New("no answer")
					}
					return resolver.State{Endpoints: resolver.EndpointsOf(target.Endpoint)}, nil
				}
				c := fl.clientOf("mine:///a", naru.WithResolvers(resolver.Func("mine", lookup, tt.opts)), naru.WithBalancer(balancer.RoundRobin{}))
				c.Connect()
				pass(29 * time.Second)
				if got := n.Load(); got != tt.wanted {
					t.Errorf("%d look-ups in 29 s, want %d", got, tt.wanted)
				}
				if tt.opts.MinInterval > 0 { // failing connections ask, and not more often than that
					fl.bs[0].kill()
					pass(71 * time.Second)
					if got := n.Load(); got < 3 || got > 1+11 {
						t.Errorf("%d look-ups while the backend is down, want some, 7 s apart", got)
					}
				}
			}, "a")
		})
	}
}

// fakeDNS answers with a record of each kind.
type fakeDNS struct{ txt string }

func (fakeDNS) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}, nil
}

func (fakeDNS) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", []*net.SRV{{Target: "x.", Port: 7, Priority: 1}}, nil
}

func (f fakeDNS) LookupTXT(context.Context, string) ([]string, error) { return []string{f.txt}, nil }

func (fakeDNS) LookupPort(context.Context, string, string) (int, error) { return 7, nil }

// TestDNSOptions: addresses and service config come from the resolver that is given; SRV records
// work alike.
func TestDNSOptions(t *testing.T) {
	dns := fakeDNS{`grpc_config=[{"serviceConfig":{"loadBalancingConfig":[{"round_robin":{}}]}}]`}
	for target, backends := range map[string]int{"dns:///shop:7": 2, "dns:///_grpc._tcp.shop": 2} {
		virtual(t, func(t *testing.T, fl *fleet) {
			c := fl.clientOf(target, naru.WithResolvers(resolver.DNS(resolver.DNSOptions{Resolver: dns, ServiceConfig: true, Poll: resolver.PollOptions{Interval: -1}})))
			ready(t, c)
			if got := spread(t, c, 20); len(got) != backends {
				t.Errorf("%s with a service config: calls went to %v, want %d backends", target, got, backends)
			}
			c = fl.clientOf(target, naru.WithResolvers(resolver.DNS(resolver.DNSOptions{Resolver: dns})))
			ready(t, c)
			if got := spread(t, c, 20); len(got) != 1 {
				t.Errorf("%s without: calls went to %v, want one backend", target, got)
			}
		}, "10.0.0.1:7", "10.0.0.2:7")
	}
}

// TestFileInterval: a changed file is seen after the interval.
func TestFileInterval(t *testing.T) {
	virtual(t, func(t *testing.T, fl *fleet) {
		list := filepath.Join(t.TempDir(), "list")
		write(t, list, "a:1\n")
		c := fl.clientOf("file:"+list, naru.WithResolvers(resolver.File(resolver.FileOptions{Interval: time.Minute})), naru.WithBalancer(balancer.RoundRobin{}))
		ready(t, c)
		write(t, list, "b:1 # another\n")
		pass(50 * time.Second)
		if got := want(t, c); got != "a:1" {
			t.Errorf("before the interval: %s, want a:1", got)
		}
		pass(20 * time.Second)
		if got := want(t, c); got != "b:1" {
			t.Errorf("after the interval: %s, want b:1", got)
		}
	}, "a:1", "b:1")
}

// TestProxyTLS: a proxy that speaks TLS is checked against the configuration given.
func TestProxyTLS(t *testing.T) {
	addr := listen(t, "tcp", "127.0.0.1:0")
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(tunnel))
	proxy.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	proxy.StartTLS()
	defer proxy.Close()
	u, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := naru.WithProxy(func(string) (*url.URL, error) { return u, nil })
	roots := x509.NewCertPool()
	roots.AddCert(proxy.Certificate())
	if err := ask(t, "passthrough:///"+addr, naru.WithPlaintext(), through, naru.WithProxyTLS(&tls.Config{RootCAs: roots})); err != nil {
		t.Errorf("through the proxy: %v", err)
	}
	wantText(t, ask(t, "passthrough:///"+addr, naru.WithPlaintext(), through), "authority")
}

// tunnel answers CONNECT (RFC 9110 §9.3.6).
func tunnel(w http.ResponseWriter, r *http.Request) {
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(out, in)
		out.Close()
	}()
	_, _ = io.Copy(in, out)
	in.Close()
	<-done
}
