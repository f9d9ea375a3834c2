package naru_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// Metadata that the server does not accept ends the call at once, with the limit and the option in
// the text, over either transport and for every kind of call.
func TestRequestMetadataLimit(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		if _, err := p.unary(t.Context(), "warm"); err != nil {
			t.Fatal(err)
		}
		for size, want := range map[int]codes.Code{1 << 10: codes.OK, 2500: codes.OK, 4 << 10: codes.ResourceExhausted, 60_000: codes.ResourceExhausted} {
			for _, m := range []*naru.MethodInfo{methodUnary, methodServer, methodClient, methodBidi} {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				begun := time.Now()
				err := callOnce(ctx, p, m, naru.WithMetadata("k", strings.Repeat("v", size)))
				if took := time.Since(begun); status.Code(err) != want || took > 5*time.Second {
					t.Errorf("%s with %d bytes: %v after %v, want %v at once", m.FullMethod, size, err, took, want)
				}
				limit := "is larger than the 4096 bytes the server accepts"
				if p.mounted != nil { // net/http does not tell clients the limits of its handlers
					limit = "the limits are 4096 bytes"
				}
				if want != codes.OK && !strings.Contains(err.Error(), limit) {
					t.Errorf("%s with %d bytes: the text does not name the limit: %v", m.FullMethod, size, err)
				}
				cancel()
			}
		}
	}, serverOnly{naru.WithLimits(limits.Limits{MaxHeaderListSize: 4 << 10})}, clientOnly{naru.WithConnectionScaling(1)})
}

// callOnce makes a call of any kind with one message each way as far as the kind has messages.
func callOnce(ctx context.Context, p *pair, m *naru.MethodInfo, opts ...naru.CallOption) error {
	if m.Kind == naru.KindUnary {
		return p.Invoke(ctx, m, str("x"), new(text), opts...)
	}
	s, err := p.NewStream(ctx, m, opts...)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	_ = s.SendMsg(str("x")) // RecvMsg says why not
	_ = s.CloseSend()
	return s.RecvMsg(new(text))
}

// A call's own authority reaches the server, and with TLS only if the certificate holds it.
func TestCallAuthority(t *testing.T) {
	var seen string
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		seen = strings.Join(metadata.ValueFromIncomingContext(ctx, ":authority"), ",")
		return m, nil
	})
	overAll(t, e, func(t *testing.T, p *pair) {
		if _, err := p.unary(t.Context(), "x", naru.WithAuthority("other.test:80")); err != nil || seen != "other.test:80" {
			t.Errorf("got %v, the server saw %q", err, seen)
		}
		for _, bad := range []string{"a b", "a/b", "a\r\nb", "u@h", "ä"} {
			if _, err := p.unary(t.Context(), "x", naru.WithAuthority(bad)); status.Code(err) != codes.Internal {
				t.Errorf("%q: %v, want INTERNAL", bad, err)
			}
		}
	})
}

func TestCallAuthorityWithTLS(t *testing.T) {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1", "other.test"}})
	if err != nil {
		t.Fatal(err)
	}
	var seen string
	p := start(t, "http2", handle(func(ctx context.Context, m *text) (*text, error) {
		seen = strings.Join(metadata.ValueFromIncomingContext(ctx, ":authority"), ",")
		return m, nil
	})(), serverOnly{naru.WithTLS(cert.ServerConfig())}, clientOnly{naru.WithTLS(ca.ClientConfig())})
	for _, a := range []string{"other.test", "other.test:443"} {
		if _, err := p.unary(t.Context(), "x", naru.WithAuthority(a)); err != nil || seen != a {
			t.Errorf("%s: %v, the server saw %q", a, err, seen)
		}
	}
	seen = ""
	for _, m := range []*naru.MethodInfo{methodUnary, methodBidi} {
		err := callOnce(t.Context(), p, m, naru.WithAuthority("third.test"))
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), `authority "third.test" of the call (WithAuthority) is not in the certificate of`) {
			t.Errorf("%s: %v", m.FullMethod, err)
		}
	}
	if seen != "" {
		t.Errorf("the server saw %q", seen)
	}
}
