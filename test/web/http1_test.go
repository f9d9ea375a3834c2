package web

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/limits"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// raw sends bytes on a connection of its own and returns what comes back until it ends, or patience
// does.
func raw(t *testing.T, url, request string) string {
	t.Helper()
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	go func() { _, _ = io.WriteString(nc, request) }() // may be cut off
	b, _ := io.ReadAll(nc)
	return string(b)
}

// post is a request of HTTP/1.1 with these fields beside those it needs.
func post(fields, body string) string {
	return "POST /test.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + fields + "\r\n" + body
}

// Requests that two readers may take apart differently are refused, or end their connection: what
// may be hidden in them is never served.
func TestSmuggling(t *testing.T) {
	var served atomic.Int64
	url := serve(t, nil, func(_ context.Context, m *text) (*text, error) { served.Add(1); return m, nil })
	const hidden = "POST /test.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n\"hidden\""
	for _, tt := range []struct {
		name, request string
		want          string // status, "": any error
		calls         int64
	}{
		{"as it should be", post("Content-Length: 3\r\nConnection: close\r\n", `"x"`), "200", 1},
		{"chunks", post("Transfer-Encoding: chunked\r\n", "3\r\n\"x\"\r\n0\r\n\r\n"), "200", 1},
		{"length and chunks", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "3\r\n\"x\"\r\n0\r\n\r\n"+hidden), "200", 1},
		{"chunks and length", post("Transfer-Encoding: chunked\r\nContent-Length: 999\r\n", "3\r\n\"x\"\r\n0\r\n\r\n"+hidden), "200", 1},
		{"two lengths", post("Content-Length: 3\r\nContent-Length: 130\r\n", `"x"`+hidden), "400", 0},
		{"list of lengths", post("Content-Length: 3, 130\r\n", `"x"`+hidden), "400", 0},
		{"signed length", post("Content-Length: +3\r\n", `"x"`+hidden), "400", 0},
		{"huge length", post("Content-Length: 99999999999999999999\r\n", `"x"`+hidden), "400", 0},
		{"two encodings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"+hidden), "501", 0},
		{"list of encodings", post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"+hidden), "501", 0},
		{"odd encoding", post("Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n", `"x"`+hidden), "501", 0},
		{"space before colon", post("Content-Length : 3\r\n", `"x"`+hidden), "400", 0},
		{"control byte in a name", post("Transfer-Encoding\x0b: chunked\r\n", "0\r\n\r\n"+hidden), "400", 0},
		{"NUL in a value", post("X: a\x00b\r\nContent-Length: 3\r\n", `"x"`+hidden), "400", 0},
		{"CR in a value", post("X: a\rContent-Length: 130\r\nContent-Length: 3\r\n", `"x"`+hidden), "400", 0},
		{"folded field", post("X: a\r\n Content-Length: 130\r\nContent-Length: 3\r\nConnection: close\r\n", `"x"`), "200", 1},
		{"folded first field", "POST /test.Echo/Unary HTTP/1.1\r\n Host: x\r\n\r\n" + hidden, "400", 0},
		{"no host", "POST /test.Echo/Unary HTTP/1.1\r\nContent-Length: 0\r\n\r\n" + hidden, "400", 0},
		{"two hosts", post("Host: y\r\nContent-Length: 3\r\n", `"x"`+hidden), "400", 0},
		{"bare LF in chunks", post("Transfer-Encoding: chunked\r\n", "3\n\"x\"\n0\n\n"+hidden), "", 0},
		{"long chunk size", post("Transfer-Encoding: chunked\r\n", "00000000000000000000003\r\n\"x\"\r\n0\r\n\r\n"+hidden), "", 0},
		{"negative chunk", post("Transfer-Encoding: chunked\r\n", "-3\r\n\"x\"\r\n0\r\n\r\n"+hidden), "", 0},
		{"chunk longer than said", post("Transfer-Encoding: chunked\r\n", "1\r\n\"x\"\r\n0\r\n\r\n"+hidden), "", 0},
		{"no version", "POST /test.Echo/Unary\r\n\r\n" + hidden, "", 0},
		{"a response", "HTTP/1.1 200 OK\r\n\r\n" + hidden, "", 0},
	} {
		served.Store(0)
		got := raw(t, url, tt.request)
		status, _, _ := strings.Cut(strings.TrimPrefix(got, "HTTP/1.1 "), " ")
		if tt.want == "" && status != "200" {
			status = ""
		}
		if status != tt.want || served.Load() != tt.calls || strings.Contains(got, "hidden") {
			t.Errorf("%s: %d calls, %.300q; want status %q and %d calls", tt.name, served.Load(), got, tt.want, tt.calls)
		}
	}
}

// Lines that end with LF alone are read as RFC 9112 §2.2 allows, as one request.
func TestBareLF(t *testing.T) {
	url := serve(t, nil, nil)
	got := raw(t, url, strings.ReplaceAll(post("Content-Length: 3\r\nConnection: close\r\n", `"x"`), "\r\n", "\n"))
	if !strings.HasPrefix(got, "HTTP/1.1 200") || strings.Count(got, "HTTP/1.1") != 1 {
		t.Errorf("%q", got)
	}
}

// honest is the time a call of another client takes.
func honest(t *testing.T, url string) time.Duration {
	t.Helper()
	began := time.Now()
	res, err := connect.NewClient[text, text](http.DefaultClient, url+"/test.Echo/Unary").CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("x")))
	if err != nil || res.Msg.Value != "x" {
		t.Errorf("an honest client: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
	return time.Since(began)
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// Clients that are slow with their headers are cut off in time, those slow with their bodies cost
// little, and others notice neither.
func TestSlowClients(t *testing.T) {
	const peers = 200
	url := serve(t, nil, nil, naru.WithLimits(limits.Limits{PrefaceTimeout: time.Second, HeaderTimeout: time.Second}))
	addr := strings.TrimPrefix(url, "http://")
	honest(t, url)
	for name, begin := range map[string]string{
		"nothing":       "",
		"a byte":        "P",
		"request line":  "POST /test.Echo/Unary HTTP/1.1\r\n",
		"slow header":   "POST /test.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-",
		"slow length":   post("Content-Length: 4000000\r\n", `"x`),
		"slow chunk":    post("Transfer-Encoding: chunked\r\n", "ffff\r\n\"x"),
		"slow gRPC-Web": "POST /test.Echo/Client HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n\x00\x00\x00\x10\x00\r\n",
	} {
		before := heap()
		var conns []net.Conn
		for range peers {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := io.WriteString(nc, begin); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, nc)
		}
		if d := honest(t, url); d > 3*time.Second {
			t.Errorf("%s: an honest call took %v", name, d)
		}
		if after := heap(); after > before && (after-before)/peers > 64<<10 {
			t.Errorf("%s: %d bytes of heap each", name, (after-before)/peers)
		}
		if !strings.Contains(begin, "\r\n\r\n") {
			for _, nc := range conns {
				_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
				if _, err := io.Copy(io.Discard, nc); err != nil && !strings.Contains(err.Error(), "reset") {
					t.Fatalf("%s: %v, want the connection closed", name, err)
				}
			}
		}
		for _, nc := range conns {
			_ = nc.Close()
		}
	}
}

// A header that is too much is refused: the call, or beyond four times that the connection.
func TestHeaderBombs(t *testing.T) {
	url := serve(t, nil, nil)
	field := "X-Bomb: " + strings.Repeat("x", 1000) + "\r\n"
	for _, tt := range []struct {
		name, fields, want string
	}{
		{"many fields", strings.Repeat("X-Bomb: x\r\n", 200), "resource_exhausted"},
		{"large fields", strings.Repeat(field, 20), "resource_exhausted"},
		{"huge fields", strings.Repeat(field, 500), "431"},
		{"one huge field", "X-Bomb: " + strings.Repeat("x", 10<<20) + "\r\n", "431"},
		{"fields without end", strings.Repeat(field, 20_000), "431"},
		{"empty fields", strings.Repeat("x:\r\n", 100_000), "431"},
	} {
		before := heap()
		got := raw(t, url, post(tt.fields+"Content-Length: 3\r\nConnection: close\r\n", `"x"`))
		// A client that is still sending may find the connection reset before it has read the
		// answer.
		if !strings.Contains(got, tt.want) && !(tt.want == "431" && got == "") {
			t.Errorf("%s: %.300q, want %s", tt.name, got, tt.want)
		}
		if after := heap(); after > before+4<<20 {
			t.Errorf("%s: %d bytes more are held", tt.name, after-before)
		}
	}
	honest(t, url)
}

// Bodies in tiny chunks and ones without an end cost what their bytes cost, and are refused at the
// limit of messages.
func TestChunkBombs(t *testing.T) {
	url := serve(t, nil, nil, naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1 << 20}))
	for _, tt := range []struct {
		name, contentType, chunk string
		times                    int
		want                     string
	}{
		{"tiny chunks", "application/json", "1\r\n \r\n", 200_000, "invalid_argument"},
		{"tiny chunks beyond the limit", "application/json", "1\r\n \r\n", 1<<20 + 1, "resource_exhausted"},
		{"chunk extensions", "application/json", "1;" + strings.Repeat("x", 2000) + "\r\n \r\n", 10_000, ""},
		{"endless JSON", "application/json", "8000\r\n" + strings.Repeat("[", 0x8000) + "\r\n", 1000, "resource_exhausted"},
		{"deep JSON", "application/json", "8000\r\n" + strings.Repeat("[", 0x8000) + "\r\n", 30, "invalid_argument"},
		{"endless base64", "application/grpc-web-text", "8000\r\n" + strings.Repeat("AAAA", 0x2000) + "\r\n", 1000, "Grpc-Status: 12"},
		{"endless padding", "application/grpc-web-text", "8000\r\n" + strings.Repeat("AA==", 0x2000) + "\r\n", 1000, "Grpc-Status: 12"},
		{"huge message", "application/grpc-web", "5\r\n\x00\xff\xff\xff\xff\r\n", 1, "Grpc-Status: 8"},
	} {
		before := heap()
		began := time.Now()
		head := "POST /test.Echo/Unary HTTP/1.1\r\nHost: x\r\nContent-Type: " + tt.contentType + "\r\nTransfer-Encoding: chunked\r\n\r\n"
		got := raw(t, url, head+strings.Repeat(tt.chunk, tt.times)+"0\r\n\r\n")
		if !strings.Contains(got, tt.want) || strings.HasPrefix(got, "HTTP/1.1 200 OK\r\nContent-Type: application/json") {
			t.Errorf("%s: %.300q, want %s", tt.name, got, tt.want)
		}
		if after := heap(); after > before+8<<20 {
			t.Errorf("%s: %d bytes more are held", tt.name, after-before)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("%s: took %v", tt.name, d)
		}
	}
	honest(t, url)
}

// A small message that expands beyond the limit is refused by every protocol before it has done so.
func TestCompressionBombs(t *testing.T) {
	var served atomic.Int64
	url := serve(t, nil, func(_ context.Context, m *text) (*text, error) { served.Add(1); return m, nil })
	zeros := make([]byte, 64<<20)
	var zipped bytes.Buffer
	for name, w := range map[string]connect.Compressor{"gzip": newGzipWriter(), "zstd": newZstdWriter()} {
		zipped.Reset()
		w.Reset(&zipped)
		_, _ = w.Write(zeros)
		_ = w.Close()
		envelope := string(frame(1, zipped.Bytes()))
		for version, hc := range transports(t, nil) {
			for _, tt := range []struct{ method, contentType, field, body string }{
				{"Unary", "application/proto", "Content-Encoding", zipped.String()},
				{"Unary", "application/json", "Content-Encoding", zipped.String()},
				{"Client", "application/connect+proto", "Connect-Content-Encoding", envelope},
				{"Unary", "application/grpc-web", "Grpc-Encoding", envelope},
				{"Unary", "application/grpc", "Grpc-Encoding", envelope},
			} {
				if tt.contentType == "application/grpc" && version == "HTTP/1.1" {
					continue
				}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				res, body := do(t, hc, url+"/test.Echo/"+tt.method, tt.body, "Content-Type", tt.contentType, tt.field, name)
				runtime.ReadMemStats(&after)
				refused := strings.Contains(body, "resource_exhausted") || strings.Contains(body, "grpc-status: 8") ||
					res.Header.Get("Grpc-Status") == "8" || res.Trailer.Get("Grpc-Status") == "8"
				if !refused || served.Load() != 0 {
					t.Errorf("%s in %s over %s: %s %v %.200q", tt.contentType, name, version, res.Status, res.Header, body)
				}
				if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
					t.Errorf("%s in %s over %s: %d bytes were allocated for it", tt.contentType, name, version, n)
				}
			}
		}
	}
}

func do(t *testing.T, hc *http.Client, url, body string, kv ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(kv); i += 2 {
		req.Header.Set(kv[i], kv[i+1])
	}
	res, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// A call takes one turn of the server's handlers on HTTP/1.1 as elsewhere: with as many calls as
// there are turns, each runs.
func TestOneTurnEach(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{})
	url := serve(t, nil, func(_ context.Context, m *text) (*text, error) {
		begun <- struct{}{}
		<-release
		return m, nil
	}, naru.WithLimits(limits.Limits{Handlers: 2}))
	hc := transports(t, nil)["HTTP/1.1"]
	done := make(chan error, 3)
	for range 3 {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			_, err := connect.NewClient[text, text](hc, url+"/test.Echo/Unary").CallUnary(ctx, connect.NewRequest(wrapperspb.String("x")))
			done <- err
		}()
	}
	for range 2 {
		select {
		case <-begun:
		case err := <-done:
			t.Fatalf("a call ended before two had begun: %v", err)
		}
	}
	close(release)
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Requests one after another on a connection are answered in order, calls or not.
func TestPipelined(t *testing.T) {
	url := serve(t, nil, nil)
	nc, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var all strings.Builder
	for i := range 50 {
		body := fmt.Sprintf(`"%d"`, i)
		all.WriteString(post(fmt.Sprintf("Content-Length: %d\r\n", len(body)), body))
		all.WriteString("POST /no HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx")
	}
	go func() { _, _ = io.WriteString(nc, all.String()) }()
	r := bufio.NewReader(nc)
	for i := range 100 {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if want := fmt.Sprintf(`"%d"`, i/2); err != nil || i%2 == 0 && string(b) != want || i%2 == 1 && res.StatusCode != 415 {
			t.Fatalf("response %d: %s %q, %v; want %s", i, res.Status, b, err, want)
		}
	}
}
