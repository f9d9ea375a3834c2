package naru_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// h2c are the protocols of a net/http server that speaks HTTP/2 without TLS, and HTTP/1.1.
func h2c() *http.Protocols {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	p.SetHTTP1(true)
	return p
}

// serveMounted serves srv on a net/http server, which the caller closes. served, of capacity 1, is
// told the end.
func serveMounted(srv *naru.Server, lis net.Listener, served chan<- error) *http.Server {
	hs := &http.Server{Handler: srv, Protocols: h2c(), ErrorLog: log.New(io.Discard, "", 0)}
	go func() {
		err := hs.Serve(lis)
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		served <- err
	}()
	return hs
}

// mount serves a server with e in net/http, over TLS if security is set, and returns its address.
func mount(t *testing.T, e *echo, security *tls.Config, wrap func(http.Handler) http.Handler, opts ...naru.ServerOption) (*naru.Server, *http.Server, string) {
	t.Helper()
	srv, err := naru.NewServer(append([]naru.ServerOption{naru.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(e.desc())
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hs := &http.Server{Handler: srv, Protocols: h2c(), TLSConfig: security, ErrorLog: log.New(io.Discard, "", 0)}
	hs.Protocols.SetHTTP2(true)
	if wrap != nil {
		hs.Handler = wrap(srv)
	}
	served := make(chan error, 1)
	go func() {
		if security != nil {
			served <- hs.ServeTLS(lis, "", "")
		} else {
			served <- hs.Serve(lis)
		}
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		_ = hs.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("net/http: %v", err)
		}
		// A response is with its client before net/http's goroutine has left ServeHTTP, and Close
		// waits for none.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Errorf("waiting for the requests: %v", err)
		}
		if s := srv.Stats(); s.Connections != 0 {
			t.Errorf("%d connections left, %d calls", s.Connections, s.OpenCalls)
		}
	})
	return srv, hs, lis.Addr().String()
}

func dialMounted(t *testing.T, addr string, opts ...naru.ClientOption) *pair {
	t.Helper()
	c, err := naru.NewClient("passthrough:///"+addr, append([]naru.ClientOption{naru.WithLogger(quiet), naru.WithPlaintext()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &pair{Client: c}
}

func TestMountedPeerTLSAndAuthenticator(t *testing.T) {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{unary: func(ctx context.Context, _ *text) (*text, error) {
		p, _ := naru.PeerFromContext(ctx)
		if p.TLS == nil || p.ConnectionID == 0 || p.LocalAddr == nil {
			return nil, status.Errorf(codes.Internal, "peer %+v", p)
		}
		return str(p.Addr.(*net.TCPAddr).IP.String() + " " + p.TLS.NegotiatedProtocol), nil
	}}
	seen := 0
	_, _, addr := mount(t, e, cert.ServerConfig(), nil,
		naru.WithAuthenticator(func(ctx context.Context, c *naru.Call) (context.Context, error) {
			if c.RequestHeader(ctx)["token"] == nil {
				return nil, status.Error(codes.PermissionDenied, "no token")
			}
			return ctx, nil
		}),
		naru.WithInterceptors(func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
			seen++
			return next(ctx)
		}))
	p := dialMounted(t, addr, naru.WithTLS(ca.ClientConfig()))
	got, err := p.unary(t.Context(), "x", naru.WithMetadata("token", "1"))
	wantText(t, got, err, "127.0.0.1 h2")
	if _, err := p.unary(t.Context(), "x"); status.Code(err) != codes.PermissionDenied || seen != 1 {
		t.Errorf("without a token: %v, interceptor ran %d times; want PERMISSION_DENIED and once", err, seen)
	}
}

// rawMounted sends a request with a body over HTTP/2 and returns the response's status, gRPC status
// and text.
func rawMounted(t *testing.T, method, url string, body io.Reader, header ...string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: protocols}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	code := res.Trailer.Get("Grpc-Status")
	message := res.Trailer.Get("Grpc-Message")
	if code == "" {
		code, message = res.Header.Get("Grpc-Status"), res.Header.Get("Grpc-Message")
	}
	if message == "" {
		message = string(text)
	}
	return res.StatusCode, code, message
}

// What a client sends beside the protocol ends its own call, with a status where there can be one.
func TestMountedHostileRequests(t *testing.T) {
	_, _, addr := mount(t, plain(), nil, nil, naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1000}))
	const unary = "/test.Echo/Unary"
	grpc := []string{"Content-Type", "application/grpc", "Te", "trailers"}
	for _, tt := range []struct {
		name, path, body string
		header           []string
		http             int
		code             string
		text             string
	}{
		{"message", unary, "\x00\x00\x00\x00\x03\x0a\x01x", nil, 200, "0", "x"},
		{"no message", unary, "", nil, 200, "12", "no message"},
		{"cut prefix", unary, "\x00\x00", nil, 200, "13", "middle of a message"},
		{"cut message", unary, "\x00\x00\x00\x00\x09\x0a", nil, 200, "13", "middle of a message"},
		{"reserved flag", unary, "\x07\x00\x00\x00\x00", nil, 200, "13", "reserved"},
		{"huge claim", unary, "\x00\xff\xff\xff\xff", nil, 200, "8", "Limits.MaxReceiveMessageSize"},
		{"above the limit", unary, "\x00\x00\x00\x07\xd0" + strings.Repeat("x", 2000), nil, 200, "8", "Limits.MaxReceiveMessageSize"},
		{"no protobuf", unary, "\x00\x00\x00\x00\x01\xff", nil, 200, "13", "unmarshal"},
		{"two messages", unary, strings.Repeat("\x00\x00\x00\x00\x00", 2), nil, 200, "12", "more than one"},
		{"bad timeout", unary, "", []string{"Grpc-Timeout", "soon"}, 400, "13", "grpc-timeout"},
		{"passed deadline", unary, "\x00\x00\x00\x00\x00", []string{"Grpc-Timeout", "0n"}, 200, "4", "deadline"},
		{"bad metadata", unary, "\x00\x00\x00\x00\x00", []string{"X-Bin", "!"}, 200, "13", "metadata"},
		{"unknown method", "/test.Echo/No", "", nil, 200, "12", "unknown method No"},
		{"other bytes of a path", "/test.Echo/%55nary", "", nil, 200, "12", "unknown method"},
		{"query", unary + "?x", "", nil, 200, "12", "unknown method"},
		{"long header", unary, "", []string{"X", strings.Repeat("x", 20_000)}, 200, "8", "Limits.MaxHeaderListSize"},
	} {
		res, code, message := rawMounted(t, "POST", "http://"+addr+tt.path, strings.NewReader(tt.body), append(tt.header, grpc...)...)
		if res != tt.http || code != tt.code || !strings.Contains(message, tt.text) {
			t.Errorf("%s: got %d, grpc-status %q, %q; want %d, %s, with %q", tt.name, res, code, message, tt.http, tt.code, tt.text)
		}
	}
	if res, _, text := rawMounted(t, "POST", "http://"+addr+unary, nil); res != 415 || !strings.Contains(text, "application/grpc") {
		t.Errorf("not gRPC: %d %q, want 415", res, text)
	}
	res, err := http.Post("http://"+addr+unary, "application/grpc", nil)
	if err != nil || res.StatusCode != 505 {
		t.Errorf("over HTTP/1.1: %v, %v; want 505", res, err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
}

// A request that never ends is ended by its deadline, also where its message is large.
func TestMountedDeadlineRunsFromTheHead(t *testing.T) {
	_, _, addr := mount(t, plain(), nil, nil)
	body, feed := io.Pipe()
	defer feed.Close()
	go func() { _, _ = feed.Write([]byte{0, 0, 1, 0, 0}) }()
	_, code, message := rawMounted(t, "POST", "http://"+addr+"/test.Echo/Unary", body, "Content-Type", "application/grpc", "Grpc-Timeout", "50m")
	if code != "4" || !strings.Contains(message, "before the request was complete") {
		t.Errorf("grpc-status %q, %q; want 4 (DEADLINE_EXCEEDED) for the incomplete request", code, message)
	}
}

func TestMountedUnderAPrefixBesideHTTP(t *testing.T) {
	pages := http.NewServeMux()
	pages.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "alive") })
	_, _, addr := mount(t, plain(), nil, func(h http.Handler) http.Handler { return http.StripPrefix("/rpc", h) },
		naru.WithHTTPHandler(pages))
	body := []byte("\x00\x00\x00\x00\x03\x0a\x01x")
	_, code, message := rawMounted(t, "POST", "http://"+addr+"/rpc/test.Echo/Unary", bytes.NewReader(body), "Content-Type", "application/grpc")
	if code != "0" {
		t.Errorf("under a prefix: grpc-status %q, %q", code, message)
	}
	if res, _, text := rawMounted(t, "GET", "http://"+addr+"/rpc/livez", nil); res != 200 || text != "alive" {
		t.Errorf("HTTP handler: %d %q", res, text)
	}
}

// Shutdown lets calls end, refuses new ones and has clients go elsewhere.
func TestMountedShutdown(t *testing.T) {
	draining := make(chan struct{})
	e := &echo{bidi: func(s naru.BidiStreamingServer[text, text]) error {
		if err := s.Send(str("begun")); err != nil {
			return err
		}
		<-naru.Draining(s.Context())
		close(draining)
		_, err := s.Recv()
		if err != nil {
			return err
		}
		return s.Send(str("last word"))
	}}
	srv, _, addr := mount(t, e, nil, nil)
	p := dialMounted(t, addr)
	s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv()
	wantText(t, m.GetValue(), err, "begun")
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(context.Background()) }()
	<-draining
	if _, err := p.unary(t.Context(), "late"); status.Code(err) != codes.Unavailable {
		t.Errorf("a call after Shutdown: %v, want UNAVAILABLE", err)
	}
	if err := s.Send(str("go on")); err != nil {
		t.Fatal(err)
	}
	m, err = s.Recv()
	wantText(t, m.GetValue(), err, "last word")
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("end of the stream: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// Close ends running calls, whose clients must not take what they have for all there is.
func TestMountedCloseCutsCalls(t *testing.T) {
	ended := make(chan struct{})
	e := &echo{server: func(_ *text, s naru.ServerStreamingServer[text]) error {
		defer close(ended)
		if err := s.Send(str("one")); err != nil {
			return err
		}
		<-s.Context().Done()
		return nil
	}}
	srv, _, addr := mount(t, e, nil, nil)
	p := dialMounted(t, addr)
	s, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str("x"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv()
	wantText(t, m.GetValue(), err, "one")
	_ = srv.Close()
	<-ended
	if _, err := s.Recv(); err == nil || err == io.EOF {
		t.Errorf("a stream that was cut ends with %v, want an error", err)
	}
}

// A client that takes nothing of a stream holds its handler, not memory; one that is cancelled lets
// it go.
func TestMountedSlowReader(t *testing.T) {
	sent := make(chan int, 1)
	e := &echo{server: func(_ *text, s naru.ServerStreamingServer[text]) error {
		n := 0
		for s.Send(str(strings.Repeat("x", 10_000))) == nil {
			n++
		}
		sent <- n
		return nil
	}}
	_, _, addr := mount(t, e, nil, nil)
	p := dialMounted(t, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s, err := stub.NewServerStreamingClient[text](ctx, p, methodServer, str("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	// Windows of the client, and what net/http and AwaitSend let wait.
	if n := <-sent; n > 1000 {
		t.Errorf("%d messages of 10 kB were sent to a client that reads one", n)
	}
}

// A finished response that nobody takes is dropped after Limits.ZeroWindow, and counted no more.
func TestMountedZeroWindow(t *testing.T) {
	e := &echo{unary: func(context.Context, *text) (*text, error) { return str(strings.Repeat("x", 3<<20)), nil }}
	srv, _, addr := mount(t, e, nil, nil, naru.WithLimits(limits.Limits{ZeroWindow: 100 * time.Millisecond}))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: protocols, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10}}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+addr+"/test.Echo/Unary", strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	for srv.Stats().Connections > 0 {
		runtime.Gosched()
	}
	if n, err := io.Copy(io.Discard, res.Body); err == nil {
		t.Errorf("the response ended well after %d bytes", n)
	}
}

// Handlers of the server share Limits.Handlers, however their calls came.
func TestMountedHandlersLimit(t *testing.T) {
	begun, release := make(chan struct{}, 10), make(chan struct{})
	e := &echo{unary: func(_ context.Context, m *text) (*text, error) {
		begun <- struct{}{}
		<-release
		return m, nil
	}}
	_, _, addr := mount(t, e, nil, nil, naru.WithLimits(limits.Limits{Handlers: 1}))
	p := dialMounted(t, addr)
	first := make(chan error, 1)
	go func() { _, err := p.unary(t.Context(), "1"); first <- err }()
	<-begun
	_, err := p.unary(t.Context(), "2", naru.WithTimeout(100*time.Millisecond))
	if status.Code(err) != codes.DeadlineExceeded || len(begun) > 0 {
		t.Errorf("second call: %v, %d handlers; want DEADLINE_EXCEEDED in the queue", err, 1+len(begun))
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
