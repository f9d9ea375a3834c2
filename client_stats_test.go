package naru_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// wantStats compares all of the counters but those of connections.
func wantStats(t *testing.T, c *naru.Client, why string, failed map[codes.Code]uint64, reasons map[string]uint64, retries, hedges uint64) {
	t.Helper()
	s := c.Stats()
	if !maps.Equal(s.FailedCalls, failed) || !maps.Equal(s.Reasons, reasons) || s.Retries != retries || s.Hedges != hedges {
		t.Errorf("%s:\ngot  failed %v, reasons %v, %d retries, %d hedges\nwant failed %v, reasons %v, %d retries, %d hedges",
			why, s.FailedCalls, s.Reasons, s.Retries, s.Hedges, failed, reasons, retries, hedges)
	}
}

func TestClientStatsOfCalls(t *testing.T) {
	var fail atomic.Int64
	e := func() *echo {
		return &echo{
			unary: func(ctx context.Context, m *text) (*text, error) {
				switch {
				case m.Value == "wait":
					<-ctx.Done()
					return nil, ctx.Err()
				case fail.Add(-1) >= 0:
					return nil, status.Error(codes.Unavailable, "not yet")
				}
				return m, nil
			},
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				if _, err := s.Recv(); err != nil {
					return err
				}
				return status.Error(codes.NotFound, "no such thing")
			},
		}
	}
	policy := naru.WithRetry(serviceconfig.RetryPolicy{
		MaxAttempts: 3, InitialBackoff: time.Millisecond, MaxBackoff: time.Millisecond, BackoffMultiplier: 1,
		RetryableStatusCodes: []codes.Code{codes.Unavailable},
	})
	hedge := naru.WithHedging(serviceconfig.HedgingPolicy{MaxAttempts: 3, HedgingDelay: time.Hour, NonFatalStatusCodes: []codes.Code{codes.Unavailable}})
	overAll(t, e, func(t *testing.T, p *pair) {
		failed, reasons := map[codes.Code]uint64{}, map[string]uint64{}
		unary := func(why, s string, failures int64, opts ...naru.CallOption) {
			t.Helper()
			fail.Store(failures)
			_, err := p.unary(t.Context(), s, opts...)
			if c := status.Code(err); c != codes.OK {
				failed[c]++
			}
			t.Logf("%s: %v", why, err)
		}
		unary("a call that succeeds", "x", 0)
		wantStats(t, p.Client, "a call that succeeds", failed, reasons, 0, 0)
		unary("a refusal", "x", 1)
		reasons["status"]++
		wantStats(t, p.Client, "a refusal", failed, reasons, 0, 0)
		unary("a success after two retries", "x", 2, policy)
		wantStats(t, p.Client, "a success after two retries", failed, reasons, 2, 0)
		unary("retries in vain", "x", 5, policy)
		reasons["status"]++
		wantStats(t, p.Client, "retries in vain", failed, reasons, 4, 0)
		unary("a success of the second hedge", "x", 1, hedge)
		wantStats(t, p.Client, "a success of the second hedge", failed, reasons, 4, 1)
		unary("hedges in vain", "x", 3, hedge)
		reasons["status"]++
		wantStats(t, p.Client, "hedges in vain", failed, reasons, 4, 3)
		unary("a deadline", "wait", 0, naru.WithTimeout(20*time.Millisecond))
		reasons["deadline"]++
		wantStats(t, p.Client, "a deadline", failed, reasons, 4, 3)
		unary("a request too large", strings.Repeat("x", 60), 0)
		reasons["request"]++
		wantStats(t, p.Client, "a request too large", failed, reasons, 4, 3)
		unary("an answer too large", strings.Repeat("x", 40), 0)
		reasons["response"]++
		wantStats(t, p.Client, "an answer too large", failed, reasons, 4, 3)
		statsOfStreams(t, p, failed, reasons)
	}, clientOnly{naru.WithLimits(limits.Limits{MaxSendMessageSize: 50})}, clientOnly{naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 30})})
}

// statsOfStreams goes on where unary calls have left the counts.
func statsOfStreams(t *testing.T, p *pair, failed map[codes.Code]uint64, reasons map[string]uint64) {
	t.Helper()
	s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	failed[codes.Canceled]++
	reasons["canceled"]++
	wantStats(t, p.Client, "a stream closed twice", failed, reasons, 4, 3)
	if s, err = stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(str("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Recv(); status.Code(err) != codes.NotFound {
			t.Errorf("Recv: %v, want NOT_FOUND", err)
		}
	}
	failed[codes.NotFound]++
	reasons["status"]++
	wantStats(t, p.Client, "a stream that failed, and Close behind", failed, reasons, 4, 3)
}

// TestClientStatsOfConnections: what stood in the way of a call is its reason, and what ended
// connections is counted.
func TestClientStatsOfConnections(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := lis.Addr().String()
	_ = lis.Close()
	c, err := naru.NewClient(refused, naru.WithPlaintext(), naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Invoke(t.Context(), methodUnary, str("x"), new(text)); status.Code(err) != codes.Unavailable {
		t.Errorf("a call to nobody: %v", err)
	}
	wantStats(t, c, "nobody listens", map[codes.Code]uint64{codes.Unavailable: 1}, map[string]uint64{"refused": 1}, 0, 0)
	if s := c.Stats(); s.Failures[connectivity.Refused] == 0 || s.Ended == nil {
		t.Errorf("%+v: want a refused connection among the failures, and no nil map", s)
	}

	// A server that hangs up in the middle of a call, and one that breaks a rule.
	for _, tt := range []struct{ says, reason, ended string }{
		{"", "eof", "eof"},
		{"\x00\x00\x05\x06\x00\x00\x00\x00\x0012345", "ping_length", "ping_length"},
	} {
		addr := brokenServer(t, tt.says)
		c, err := naru.NewClient(addr, naru.WithPlaintext(), naru.WithLogger(quiet))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Invoke(t.Context(), methodUnary, str("x"), new(text)); err == nil {
			t.Errorf("%s: the call succeeded", tt.reason)
		}
		s := c.Stats()
		if s.Reasons[tt.reason] != 1 || s.Ended[tt.ended] != 1 {
			t.Errorf("reasons %v, ended %v: want %s and %s", s.Reasons, s.Ended, tt.reason, tt.ended)
		}
		_ = c.Close()
	}
}

// brokenServer greets, waits for a call, says something and hangs up.
func brokenServer(t *testing.T, says string) (addr string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		nc, err := lis.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		_, _ = io.WriteString(nc, "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x04\x01\x00\x00\x00\x00")
		if awaitHeaders(nc) == nil {
			_, _ = io.WriteString(nc, says)
		}
		_ = nc.(*net.TCPConn).CloseWrite() // closed with bytes unread, it would be a reset
		_, _ = io.Copy(io.Discard, nc)
	}()
	t.Cleanup(func() {
		_ = lis.Close()
		<-ended
	})
	return lis.Addr().String()
}

// awaitHeaders reads frames up to the first HEADERS.
func awaitHeaders(r io.Reader) error {
	if _, err := io.CopyN(io.Discard, r, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return err
	}
	for {
		var h [9]byte
		if _, err := io.ReadFull(r, h[:]); err != nil {
			return err
		}
		n := int64(h[0])<<16 | int64(h[1])<<8 | int64(h[2])
		if _, err := io.CopyN(io.Discard, r, n); err != nil {
			return err
		}
		if h[3] == 1 {
			return nil
		}
		if h[3] == 7 {
			return errors.New("GOAWAY")
		}
	}
}
