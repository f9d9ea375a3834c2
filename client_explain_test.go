package naru_test

import (
	"crypto/tls"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/status"
)

// answering is a server that does the same with every connection, and closes it.
func answering(t *testing.T, answer func(nc net.Conn)) (addr string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer nc.Close()
				answer(nc)
			})
		}
	})
	t.Cleanup(func() { lis.Close(); wg.Wait() })
	return lis.Addr().String()
}

// afterCall reads until a whole call is here, then answers and closes.
func afterCall(answer string) func(net.Conn) {
	return func(nc net.Conn) {
		_, _ = nc.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00")) // SETTINGS
		buf, n := make([]byte, 4096), 0
		for n < 100 {
			k, err := nc.Read(buf)
			if err != nil {
				return
			}
			n += k
		}
		_, _ = nc.Write([]byte(answer))
		if c, ok := nc.(*net.TCPConn); ok {
			_ = c.CloseWrite()
		}
		_, _ = nc.Read(buf) // so that it ends with FIN, not RST
	}
}

func says(answer string) func(net.Conn) {
	return func(nc net.Conn) {
		_, _ = nc.Read(make([]byte, 100))
		_, _ = nc.Write([]byte(answer))
	}
}

// TestFailuresExplained: what an operator is told, by cause, in words and as data.
func TestFailuresExplained(t *testing.T) {
	plaintext, secure := naru.WithPlaintext(), naru.WithTLS(&tls.Config{ServerName: "localhost"})
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	const goAway = "\x00\x00\x0d\x07\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x02" + "fault"
	for _, tt := range []struct {
		name   string
		addr   string
		opt    naru.ClientOption
		reason connectivity.Reason
		want   string
	}{
		{"refused", refusing.Addr().String(), plaintext, connectivity.Refused, "connection refused"},
		{"HTTP/1", answering(t, says("HTTP/1.1 400 Bad Request\r\n\r\n")), plaintext, connectivity.Preface, `the peer speaks HTTP/1, not HTTP/2: it answered the preface with "HTTP/1.1 400 Bad Request"`},
		{"TLS", answering(t, says("\x15\x03\x03\x00\x02\x02\x46")), plaintext, connectivity.Preface, "the peer speaks TLS, and this client plaintext (WithPlaintext)"},
		{"closes at plaintext", answering(t, says("")), plaintext, connectivity.Preface, "does it expect TLS?"},
		{"closes at TLS", answering(t, says("")), secure, connectivity.TLS, "during the TLS handshake (does it expect plaintext?)"},
		{"plaintext answer to TLS", answering(t, says("\x00\x00\x00\x04\x00\x00\x00\x00\x00")), secure, connectivity.NotTLS, "is it plaintext?"},
		{"GOAWAY", answering(t, afterCall(goAway)), plaintext, connectivity.GoAway, `GOAWAY INTERNAL_ERROR ("fault") (sent `},
		{"lost", answering(t, afterCall("")), plaintext, connectivity.Reset, "peer closed the connection (sent "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := naru.NewClient(tt.addr, tt.opt, naru.WithLogger(quiet))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			err = c.Invoke(t.Context(), methodUnary, str("x"), new(text), naru.WithTimeout(10*time.Second))
			if text := status.Convert(err).Message(); status.Code(err) != codes.Unavailable || !strings.Contains(text, tt.want) || !strings.Contains(text, tt.addr) {
				t.Errorf("got %v, want UNAVAILABLE with %q", err, tt.want)
			}
			r, ok := status.Local[*connectivity.Report](err)
			if !ok || r.Last == nil || r.Last.Reason != tt.reason || r.Last.Address != tt.addr || r.DeadlineBy != "WithTimeout" {
				t.Errorf("as data: %+v, want the reason %q", r, tt.reason)
			}
		})
	}
}

// TestDeadlineExplained: a deadline that passes while there is no connection says what was under
// way.
func TestDeadlineExplained(t *testing.T) {
	release := make(chan struct{})
	addr := answering(t, func(net.Conn) { <-release })
	defer close(release)
	c, err := naru.NewClient(addr, naru.WithPlaintext(), naru.WithLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Invoke(t.Context(), methodUnary, str("x"), new(text), naru.WithTimeout(50*time.Millisecond))
	for _, want := range []string{"deadline (set by WithTimeout)", "connecting to " + addr + " for ", "(waits for the server's SETTINGS)"} {
		if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want DEADLINE_EXCEEDED with %q", err, want)
		}
	}
}
