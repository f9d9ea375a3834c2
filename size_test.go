package naru_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
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
		wantStatus(t, err, codes.ResourceExhausted, "received message of 2003 bytes is larger than the limit of 1000 bytes (the server's WithMaxReceiveMessageSize)")
		_, err = p.unary(t.Context(), strings.Repeat("x", 50), naru.WithMaxSendMessageSize(10))
		wantStatus(t, err, codes.ResourceExhausted, "message to send of 52 bytes is larger than the limit of 10 bytes (the client's WithMaxSendMessageSize)")
		_, err = p.unary(t.Context(), strings.Repeat("x", 50), naru.WithMaxReceiveMessageSize(10))
		wantStatus(t, err, codes.ResourceExhausted, "received message of 52 bytes is larger than the limit of 10 bytes (the client's WithMaxReceiveMessageSize)")
		_, err = p.unary(t.Context(), big, naru.WithCompression("gzip"))
		if s := status.Convert(err); s.Code() != codes.ResourceExhausted || !strings.Contains(s.Message(), "expands to more than the limit of 1000 bytes (the server's WithMaxReceiveMessageSize)") {
			t.Errorf("compressed: %v", s)
		}
	}, serverOnly{naru.WithMaxReceiveMessageSize(1000)})
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), big)
		wantStatus(t, err, codes.ResourceExhausted, "message to send of 2003 bytes is larger than the limit of 1000 bytes (the server's WithMaxSendMessageSize)")
	}, serverOnly{naru.WithMaxSendMessageSize(1000)})
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
