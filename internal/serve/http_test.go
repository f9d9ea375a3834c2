package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/transport"
)

func httpHead(method, path string, kv ...string) *transport.RequestHead {
	return &transport.RequestHead{Method: method, Scheme: "http", Authority: "test:80", Path: path, Fields: fields(kv...)}
}

func withHTTP(h http.HandlerFunc) func(*Config) { return func(c *Config) { c.HTTP = h } }

func TestHTTPHandlerSeesTheRequest(t *testing.T) {
	var got *http.Request
	var body []byte
	s := testServer(t, withHTTP(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, "thanks")
	}))
	r := exchange(t, s, httpHead("PUT", "/a%20b?c=d", "content-type", "text/plain", "cookie", "a=1", "cookie", "b=2", "content-length", "9"), "some ", "text")
	if want := `202 text/plain "thanks"`; r.String() != want {
		t.Errorf("got %s, want %s", r, want)
	}
	if r.head["x-answer"] != "yes" || r.head["content-length"] != "6" {
		t.Errorf("header %v", r.head)
	}
	if got.Method != "PUT" || got.URL.Path != "/a b" || got.URL.RawQuery != "c=d" || got.Host != "test:80" || got.ProtoMajor != 2 || got.ContentLength != 9 {
		t.Errorf("request %+v", got)
	}
	if c := got.Header.Get("Cookie"); c != "a=1; b=2" {
		t.Errorf("cookie %q", c)
	}
	if string(body) != "some text" {
		t.Errorf("body %q", body)
	}
}

func TestHTTPResponses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		method  string
		handler http.HandlerFunc
		want    string
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, "200 "},
		{"detected type", "GET", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, `200 text/html; charset=utf-8 "<html>"`},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "200 text/html; charset=utf-8"},
		{"no content", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); io.WriteString(w, "x") }, "204 "},
		{"interim then final", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, "404 "},
		{"abort", "GET", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "closed: http_handler_aborted"},
		{"panic", "GET", func(http.ResponseWriter, *http.Request) { panic("oops") }, "closed: http_handler_aborted"},
	} {
		s := testServer(t, withHTTP(tt.handler))
		if got := exchange(t, s, httpHead(tt.method, "/")).String(); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestHTTPTrailersAndForbiddenFields(t *testing.T) {
	s := testServer(t, withHTTP(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, X-Other")
		w.Header().Set("Connection", "close")
		w.Header().Set("Transfer-Encoding", "chunked")
		w.Header().Set("X-Lines", "a\r\nb: c")
		io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "42")
		w.Header().Set(http.TrailerPrefix+"X-Late", "7")
	}))
	r := exchange(t, s, httpHead("GET", "/"))
	for _, name := range []string{"connection", "transfer-encoding", "trailer", "x-sum"} {
		if v, ok := r.head[name]; ok {
			t.Errorf("header has %s: %s", name, v)
		}
	}
	if v := r.head["x-lines"]; v != "a  b: c" {
		t.Errorf("x-lines = %q: line breaks must not reach the wire", v)
	}
	if r.trailers["x-sum"] != "42" || r.trailers["x-late"] != "7" {
		t.Errorf("trailers %v", r.trailers)
	}
}

func TestHTTPBodyIsReadAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testServer(t, withHTTP(func(w http.ResponseWriter, r *http.Request) {
			buf := make([]byte, 10)
			n, _ := r.Body.Read(buf)
			fmt.Fprintf(w, "%s", buf[:n])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			if _, err := io.ReadAll(r.Body); err == nil {
				t.Error("the body of a request that was reset ended well")
			}
			if err := context.Cause(r.Context()); !strings.Contains(err.Error(), "canceled") {
				t.Errorf("cause %v", err)
			}
		}))
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(nil)
		r := newRawCall()
		st, err := conn.Open(httpHead("POST", "/", "content-type", "text/plain"), nil, false, r)
		if err != nil {
			t.Fatal(err)
		}
		_ = st.Send(bufOf("first"), false)
		synctest.Wait()
		if got := r.String(); got != `200 text/plain; charset=utf-8 "first"` {
			t.Errorf("got %s", got)
		}
		_ = st.Send(bufOf("unread"), false)
		st.Reset(8, "canceled")
		synctest.Wait()
		if n := s.OpenCalls(); n != 0 {
			t.Errorf("%d open", n)
		}
	})
}

func TestHTTP1OnTheSamePort(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := testServer(t, withHTTP(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }),
		func(c *Config) { c.Logger = slog.New(slog.DiscardHandler) })
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + lis.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "HTTP/1.1" {
		t.Errorf("got %q, %v", body, err)
	}
	_ = res.Body.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestRefusalWaitsForTheRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		send func(st transport.ClientStream)
		wait time.Duration
	}{
		{"end", func(st transport.ClientStream) { _ = st.Send(bufOf("x"), true) }, 0},
		{"too much", func(st transport.ClientStream) {
			for range 5 {
				_ = st.Send(bufOf(strings.Repeat("x", refuseBytes/4)), false)
			}
		}, 0},
		{"silence", func(transport.ClientStream) {}, refusePatience},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := testServer(t)
			conn, err := dial(s)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(nil)
			r := newRawCall()
			start := time.Now()
			st, err := conn.Open(httpHead("POST", "/", "content-type", "text/plain"), bufOf("some"), false, r)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			select {
			case <-r.done:
				t.Errorf("%s: refused while the client was sending", tt.name)
			default:
			}
			tt.send(st)
			<-r.done
			if d := time.Since(start); d != tt.wait || r.status != 415 {
				t.Errorf("%s: %d after %v, want 415 after %v", tt.name, r.status, d, tt.wait)
			}
		})
	}
}

// Requests that are not gRPC count among a connection's handlers.
func TestHTTPHandlersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var running, most atomic.Int32
		s := testServer(t, withHTTP(func(http.ResponseWriter, *http.Request) {
			most.Store(max(most.Load(), running.Add(1)))
			<-release
			running.Add(-1)
		}), func(c *Config) { c.MaxHandlers = 2 })
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(nil)
		var calls []*rawCall
		for range 5 {
			r := newRawCall()
			if _, err := conn.Open(httpHead("GET", "/"), nil, true, r); err != nil {
				t.Fatal(err)
			}
			calls = append(calls, r)
			synctest.Wait()
		}
		close(release)
		var got []string
		for _, r := range calls {
			<-r.done
			got = append(got, r.String())
		}
		want := "200 ,200 ,200 ,200 ,200 "
		if s := strings.Join(got, ","); s != want || most.Load() != 2 {
			t.Errorf("got %s with %d at a time, want %s with 2", s, most.Load(), want)
		}
	})
}

// Requests of HTTP/1.1 count among the handlers that run on the server, and wait their turn.
func TestHTTP1CountsAmongHandlers(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	begun, release := make(chan string, 10), make(chan struct{})
	s := testServer(t, withHTTP(func(_ http.ResponseWriter, r *http.Request) {
		begun <- r.URL.Path
		<-release
	}), func(c *Config) { c.Logger, c.MaxRunning = slog.New(slog.DiscardHandler), 1 })
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	done := make(chan error, 10) // capacity: one for each request
	get := func(ctx context.Context, path string) {
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+lis.Addr().String()+path, nil)
		if err == nil {
			var res *http.Response
			if res, err = client.Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
		done <- err
	}
	go get(t.Context(), "/first")
	if got := <-begun; got != "/first" {
		t.Fatalf("%s began", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go get(ctx, "/leaves")
	waitFor(t, "the second waits", func() bool { return s.admission.waiting.Load() == 1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the request that was given up: %v", err)
	}
	waitFor(t, "it has left", func() bool { return s.admission.waiting.Load() == 0 })
	go get(t.Context(), "/second")
	waitFor(t, "the third waits", func() bool { return s.admission.waiting.Load() == 1 })
	if len(begun) > 0 {
		t.Errorf("%s began beside the first", <-begun)
	}
	close(release)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := <-begun; got != "/second" {
		t.Errorf("%s began, want /second", got)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil || s.OpenCalls() != 0 {
		t.Errorf("Serve: %v; %d open", err, s.OpenCalls())
	}
}

// waitFor waits for what happens on a real network.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: not in 10 s", what)
		}
	}
}
