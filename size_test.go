package naru_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// A client that does not read must hold the server back, not grow.
func TestSlowReader(t *testing.T) {
	big := strings.Repeat("x", 10<<10)
	sent := make(chan int, 1)
	e := func() *echo {
		return &echo{server: func(_ *text, s naru.ServerStreamingServer[text]) error {
			n := 0
			defer func() { sent <- n }()
			for n < 100000 {
				if err := s.Send(str(big)); err != nil {
					return err
				}
				n++
			}
			return nil
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		s, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str(""), naru.WithTimeout(100*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		if n := <-sent; n > 2000 {
			t.Errorf("the server sent %d messages of 10 KiB to a client that read one", n)
		}
		_ = s.Close()
	})
}

func TestSizeLimits(t *testing.T) {
	big := strings.Repeat("x", 2000)
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), big)
		wantStatus(t, err, codes.ResourceExhausted, "received message of 2003 bytes is larger than the limit of 1000 bytes (the server's Limits.MaxReceiveMessageSize)")
		_, err = p.unary(t.Context(), strings.Repeat("x", 50), naru.WithLimits(limits.Limits{MaxSendMessageSize: 10}))
		wantStatus(t, err, codes.ResourceExhausted, "message to send of 52 bytes is larger than the limit of 10 bytes (the client's Limits.MaxSendMessageSize)")
		_, err = p.unary(t.Context(), strings.Repeat("x", 50), naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 10}))
		wantStatus(t, err, codes.ResourceExhausted, "received message of 52 bytes is larger than the limit of 10 bytes (the client's Limits.MaxReceiveMessageSize)")
		_, err = p.unary(t.Context(), big, naru.WithCompression("gzip"))
		if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "expands to more than the limit of 1000 bytes (the server's Limits.MaxReceiveMessageSize)") {
			t.Errorf("compressed: %v", s)
		}
	}, serverOnly{naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1000})})
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), big)
		wantStatus(t, err, codes.ResourceExhausted, "message to send of 2003 bytes is larger than the limit of 1000 bytes (the server's Limits.MaxSendMessageSize)")
	}, serverOnly{naru.WithLimits(limits.Limits{MaxSendMessageSize: 1000})})
}

// TestLimitsFor: the limits of a method win over those of its service, and these over those of the
// side.
func TestLimitsFor(t *testing.T) {
	size := func(n int) limits.Limits { return limits.Limits{MaxReceiveMessageSize: n} }
	message := strings.Repeat("x", 50) // 52 bytes encoded
	for _, tt := range []struct {
		name                string
		all, service, unary int
		want                string // of an error; "" for none
	}{
		{"side", 10, 0, 0, "larger than the limit of 10 bytes"},
		{"service raises", 10, 60, 0, ""},
		{"service lowers", 60, 20, 0, "larger than the limit of 20 bytes"},
		{"method raises", 10, 20, 60, ""},
		{"method lowers", 100, 90, 30, "larger than the limit of 30 bytes"},
		{"method has none", 10, 20, -1, ""},
	} {
		opts := []naru.Option{
			naru.WithLimitsFor(methodUnary.FullMethod, size(tt.unary)),
			naru.WithLimitsFor(methodServer.FullMethod, size(1)),
			naru.WithLimitsFor("test.Echo", size(tt.service)),
		}
		for side, p := range map[string]*pair{
			"server": start(t, "http2", plain(), serverOnly{naru.WithLimits(size(tt.all))}, serverOnly{opts[0]}, serverOnly{opts[1]}, serverOnly{opts[2]}),
			"client": start(t, "http2", plain(), clientOnly{naru.WithLimits(size(tt.all))}, clientOnly{opts[0]}, clientOnly{opts[1]}, clientOnly{opts[2]}),
		} {
			_, err := p.unary(t.Context(), message)
			switch s := status.Convert(err); {
			case tt.want == "" && err != nil:
				t.Errorf("%s, %s: %v", tt.name, side, err)
			case tt.want != "" && (s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), tt.want+" (the "+side+"'s Limits.MaxReceiveMessageSize)")):
				t.Errorf("%s, %s: %v, want RESOURCE_EXHAUSTED with %q", tt.name, side, err, tt.want)
			}
		}
	}
	p := start(t, "inproc", plain(), clientOnly{naru.WithLimitsFor("test.Echo", size(10))})
	if _, err := p.unary(t.Context(), message, naru.WithLimits(size(-1))); err != nil {
		t.Errorf("a call's own limit: %v", err)
	}
	_, err := p.unary(t.Context(), message, naru.WithLimits(limits.Limits{Handlers: 1}))
	wantStatus(t, err, codes.Internal, "WithLimits: of a call, Handlers cannot be set here; only MaxReceiveMessageSize, MaxSendMessageSize, MaxRetryDelay can")
}

func TestLargeMessages(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 3<<20/16)
	overAll(t, plain, func(t *testing.T, p *pair) {
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				got, err := p.unary(t.Context(), big)
				if err != nil || got != big {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := s.Send(str(big)); err != nil {
				t.Fatal(err)
			}
			m, err := s.Recv()
			if err != nil || m.Value != big {
				t.Fatalf("%d bytes, %v", len(m.GetValue()), err)
			}
		}
		_ = s.Close()
		wg.Wait()
	})
}
