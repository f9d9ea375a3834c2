package naru_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/web"
)

// The time a response has to be taken ends with it: a stream on the same HTTP/1.1 connection may
// last longer.
func TestHTTP1ConnectionIsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &echo{server: func(m *text, s naru.ServerStreamingServer[text]) error {
			for range 3 {
				time.Sleep(time.Second)
				if err := s.Send(m); err != nil {
					return err
				}
			}
			return nil
		}}
		srv, err := naru.NewServer(naru.WithLogger(quiet), naru.WithWeb(web.Options{}), naru.WithLimits(limits.Limits{ZeroWindow: 100 * time.Millisecond}))
		if err != nil {
			t.Fatal(err)
		}
		srv.RegisterService(e.desc())
		network := narutest.NewNetwork()
		lis, err := network.Listen("server")
		if err != nil {
			t.Fatal(err)
		}
		go srv.Serve(lis)
		dials := 0
		tr := &http.Transport{DialContext: countingDials(&dials, network.Dial)}
		post := func(method, contentType, body string) string {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), "POST", "http://server/test.Echo/"+method, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", contentType)
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%s: status %d, %q: %v", method, res.StatusCode, text, err)
			}
			return string(text)
		}
		const message = "\x0a\x01x"
		if got := post("Unary", "application/proto", message); got != message {
			t.Errorf("unary: %q", got)
		}
		const envelope = "\x00\x00\x00\x00\x03" + message
		if got := post("Server", "application/connect+proto", envelope); got != strings.Repeat(envelope, 3)+"\x02\x00\x00\x00\x02{}" {
			t.Errorf("stream: %q", got)
		}
		if dials != 1 {
			t.Errorf("%d connections, want one that is used again", dials)
		}
		tr.CloseIdleConnections()
		_ = srv.Close()
	})
}

type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

func countingDials(n *int, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		*n++
		return dial(ctx, network, strings.TrimSuffix(addr, ":80"))
	}
}
