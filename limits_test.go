package naru_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// TestLimitsOfHTTP1Connections: connections handed over to net/http keep their place among the
// server's, and their headers have the limits of calls.
func TestLimitsOfHTTP1Connections(t *testing.T) {
	srv, addr := limited(t, naru.WithLimits(limits.Limits{MaxConnections: 1}), naru.WithHTTPHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "hello")
	})))
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		return nc
	}
	ask := func(nc net.Conn, more string) int {
		if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\n"+more+"\r\n"); err != nil {
			return 0
		}
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return 0
		}
		_, _ = io.Copy(io.Discard, res.Body) // to the end of the answer
		return res.StatusCode
	}
	first := dial()
	if code := ask(first, ""); code != 200 || srv.Stats().Connections != 1 {
		t.Fatalf("first connection: %d; %+v", code, srv.Stats())
	}
	if code := ask(dial(), ""); code != 0 || srv.Stats().Ended["connections_over_limit"] != 1 {
		t.Errorf("second connection: %d; %+v", code, srv.Stats())
	}
	if code := ask(first, "x-long: "+strings.Repeat("v", 100<<10)+"\r\n"); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 100 KiB: %d", code)
	}
	_ = first.Close()
	for range 500 {
		if srv.Stats().Connections == 0 {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	if code := ask(dial(), ""); code != 200 {
		t.Errorf("after the first was closed: %d; %+v", code, srv.Stats())
	}
}

// TestHeaderListBeyondTheBlockLimit: the limit on bytes of a header block follows that of header
// lists.
func TestHeaderListBeyondTheBlockLimit(t *testing.T) {
	p := start(t, "http2", &echo{unary: func(ctx context.Context, _ *text) (*text, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		return str(md.First("long")), nil
	}}, serverOnly{naru.WithLimits(limits.Limits{MaxHeaderListSize: 200 << 10})})
	long := strings.Repeat("\x7e", 150<<10) // longer with Huffman coding than without
	got, err := p.unary(t.Context(), "", naru.WithMetadata("long", long))
	if err != nil || got != long {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

// TestMessagesOverTheLimitAreCounted, sent and decompressed.
func TestMessagesOverTheLimitAreCounted(t *testing.T) {
	p := start(t, "http2", &echo{}, serverOnly{naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1000})})
	for _, opts := range [][]naru.CallOption{nil, {naru.WithCompression("gzip")}} {
		if _, err := p.unary(t.Context(), strings.Repeat("x", 5000), opts...); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("a message over the limit: %v", err)
		}
	}
	if n := p.srv.Stats().Ended["message_too_large"]; n != 2 {
		t.Errorf("message_too_large counted %d times, want 2: %+v", n, p.srv.Stats())
	}
}
