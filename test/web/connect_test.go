// Package web holds naru's gRPC-Web and Connect against connect-go's clients.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"github.com/naru-rpc/naru/web"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

func service(unary func(context.Context, *text) (*text, error)) *naru.ServiceDesc {
	info := func(name string, kind naru.Kind) *naru.MethodInfo {
		return &naru.MethodInfo{FullMethod: "/test.Echo/" + name, Kind: kind}
	}
	get := info("Get", naru.KindUnary)
	get.Idempotency = naru.NoSideEffects
	return &naru.ServiceDesc{Name: "test.Echo", Methods: []naru.MethodDesc{
		stub.UnaryHandler(info("Unary", naru.KindUnary), unary),
		stub.UnaryHandler(get, unary),
		stub.ServerStreamHandler(info("Server", naru.KindServerStream), func(m *text, s naru.ServerStreamingServer[text]) error {
			for _, w := range strings.Fields(m.Value) {
				if w == "fail" {
					s.SetTrailer(metadata.Pairs("why", "asked"))
					return status.Error(codes.Aborted, "asked to fail")
				}
				if err := s.Send(wrapperspb.String(w)); err != nil {
					return err
				}
			}
			return nil
		}),
		stub.ClientStreamHandler(info("Client", naru.KindClientStream), func(s naru.ClientStreamingServer[text, text]) error {
			var all []string
			for m, err := range s.All() {
				if err != nil {
					return err
				}
				all = append(all, m.Value)
			}
			return s.SendAndClose(wrapperspb.String(strings.Join(all, " ")))
		}),
		stub.BidiStreamHandler(info("Bidi", naru.KindBidi), func(s naru.BidiStreamingServer[text, text]) error {
			for {
				m, err := s.Recv()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if err := s.Send(m); err != nil {
					return err
				}
			}
		}),
	}}
}

func echo(ctx context.Context, m *text) (*text, error) {
	switch m.Value {
	case "fail":
		s, err := status.New(codes.NotFound, "no such thing: ü%").WithDetails(durationpb.New(time.Second))
		if err != nil {
			return nil, err
		}
		_ = naru.SetTrailer(ctx, metadata.Pairs("why", "asked"))
		return nil, s.Err()
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_ = naru.SetHeader(ctx, metadata.Pairs("x-head", "h", "x-bin", "\x00\xff"))
	_ = naru.SetTrailer(ctx, metadata.Pairs("x-tail", "t"))
	return m, nil
}

// serve starts a server, with TLS if security is set, and returns its URL.
func serve(t testing.TB, security *tls.Config, unary func(context.Context, *text) (*text, error), opts ...naru.ServerOption) string {
	t.Helper()
	if unary == nil {
		unary = echo
	}
	scheme := "http://"
	opts = append([]naru.ServerOption{naru.WithWeb(web.Options{}), naru.WithCodecs(encoding.JSON())}, opts...)
	if security != nil {
		opts, scheme = append(opts, naru.WithTLS(security)), "https://"
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(service(unary))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return scheme + lis.Addr().String()
}

// transports are net/http's over each version of HTTP.
func transports(t testing.TB, security *tls.Config) map[string]*http.Client {
	clients := map[string]*http.Client{}
	for _, version := range []string{"HTTP/1.1", "HTTP/2"} {
		tr := &http.Transport{Protocols: new(http.Protocols)}
		if security != nil {
			tr.TLSClientConfig = security.Clone()
		}
		tr.Protocols.SetHTTP1(version == "HTTP/1.1")
		tr.Protocols.SetHTTP2(version == "HTTP/2")
		tr.Protocols.SetUnencryptedHTTP2(version == "HTTP/2" && security == nil)
		t.Cleanup(tr.CloseIdleConnections)
		clients[version] = &http.Client{Transport: tr}
	}
	return clients
}

// options are the protocols and codecs of connect-go's clients.
var options = map[string][]connect.ClientOption{
	"Connect":          nil,
	"Connect JSON":     {connect.WithProtoJSON()},
	"Connect gzip":     {connect.WithSendGzip()},
	"Connect GET":      {connect.WithHTTPGet()},
	"Connect GET JSON": {connect.WithHTTPGet(), connect.WithProtoJSON(), connect.WithSendGzip()},
	"gRPC-Web":         {connect.WithGRPCWeb()},
	"gRPC-Web JSON":    {connect.WithGRPCWeb(), connect.WithProtoJSON()},
	"gRPC-Web gzip":    {connect.WithGRPCWeb(), connect.WithSendGzip()},
}

func forAll(t *testing.T, body func(t *testing.T, client func(method string) *connect.Client[text, text], protocol, version string)) {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, secure := range []bool{false, true} {
		var server, client *tls.Config
		if secure {
			server, client = cert.ServerConfig(), ca.ClientConfig()
		}
		url := serve(t, server, nil)
		for version, hc := range transports(t, client) {
			for protocol, opts := range options {
				name := protocol + " " + version
				if secure {
					name += " TLS"
				}
				t.Run(name, func(t *testing.T) {
					body(t, func(method string) *connect.Client[text, text] {
						o := opts
						if method == "Get" {
							o = append(o[:len(o):len(o)], connect.WithIdempotency(connect.IdempotencyNoSideEffects))
						}
						return connect.NewClient[text, text](hc, url+"/test.Echo/"+method, o...)
					}, protocol, version)
				})
			}
		}
	}
}

func TestUnary(t *testing.T) {
	forAll(t, func(t *testing.T, client func(string) *connect.Client[text, text], _, _ string) {
		for _, method := range []string{"Unary", "Get"} {
			for _, value := range []string{"", "hello", strings.Repeat("long ", 400)} {
				res, err := client(method).CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(value)))
				if err != nil || res.Msg.Value != value {
					t.Fatalf("%s with %d bytes: %v, %v", method, len(value), res, err)
				}
				if res.Header().Get("X-Head") != "h" || res.Trailer().Get("X-Tail") != "t" {
					t.Errorf("%s: header %v, trailer %v", method, res.Header(), res.Trailer())
				}
			}
			_, err := client(method).CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("fail")))
			var ce *connect.Error
			if !errors.As(err, &ce) || ce.Code() != connect.CodeNotFound || ce.Message() != "no such thing: ü%" || len(ce.Details()) != 1 || ce.Meta().Get("Why") != "asked" {
				t.Errorf("%s: %v, want NOT_FOUND with a detail and a trailer", method, err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err = client(method).CallUnary(ctx, connect.NewRequest(wrapperspb.String("wait")))
			cancel()
			if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
				t.Errorf("%s: %v, want DEADLINE_EXCEEDED", method, err)
			}
		}
		big := strings.Repeat("x", 5<<20)
		_, err := client("Unary").CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(big)))
		if connect.CodeOf(err) != connect.CodeResourceExhausted {
			t.Errorf("5 MiB: %v, want RESOURCE_EXHAUSTED", err)
		}
	})
}

func TestStreams(t *testing.T) {
	forAll(t, func(t *testing.T, client func(string) *connect.Client[text, text], _, version string) {
		down, err := client("Server").CallServerStream(t.Context(), connect.NewRequest(wrapperspb.String("one two fail")))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for down.Receive() {
			got = append(got, down.Msg().Value)
		}
		var ce *connect.Error
		if strings.Join(got, " ") != "one two" || !errors.As(down.Err(), &ce) || ce.Code() != connect.CodeAborted || ce.Meta().Get("Why") != "asked" {
			t.Errorf("server stream: %v, %v", got, down.Err())
		}
		_ = down.Close()
		up := client("Client").CallClientStream(t.Context())
		for _, w := range []string{"one", "two", strings.Repeat("x", 100_000)} {
			if err := up.Send(wrapperspb.String(w)); err != nil {
				t.Fatal(err)
			}
		}
		res, err := up.CloseAndReceive()
		if err != nil || len(res.Msg.Value) != 100_008 {
			t.Errorf("client stream: %v", err)
		}
		if version == "HTTP/1.1" {
			return
		}
		both := client("Bidi").CallBidiStream(t.Context())
		for range 10 {
			if err := both.Send(wrapperspb.String("ping")); err != nil {
				t.Fatal(err)
			}
			if m, err := both.Receive(); err != nil || m.Value != "ping" {
				t.Fatalf("bidi: %v, %v", m, err)
			}
		}
		_ = both.CloseRequest()
		if _, err := both.Receive(); !errors.Is(err, io.EOF) {
			t.Errorf("bidi: %v at the end", err)
		}
		_ = both.CloseResponse()
	})
}

// One authenticator, one interceptor and one limit refuse the same on all protocols, before the
// body is decoded.
func TestSameRefusals(t *testing.T) {
	decoded := 0
	url := serve(t, nil, func(_ context.Context, m *text) (*text, error) { decoded++; return m, nil },
		naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1000}),
		naru.WithAuthenticator(func(ctx context.Context, c *naru.Call) (context.Context, error) {
			if c.RequestHeader(ctx)["deny"] != nil {
				return nil, status.Error(codes.PermissionDenied, "denied")
			}
			return ctx, nil
		}),
		naru.WithInterceptors(func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
			if c.RequestHeader(ctx)["stop"] != nil {
				return status.Error(codes.FailedPrecondition, "stopped")
			}
			return next(ctx)
		}))
	for version, hc := range transports(t, nil) {
		for protocol, opts := range map[string][]connect.ClientOption{
			"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}, "Connect": nil, "Connect JSON": {connect.WithProtoJSON()},
		} {
			if protocol == "gRPC" && version == "HTTP/1.1" {
				continue // gRPC needs HTTP/2
			}
			for _, tt := range []struct {
				header string
				size   int
				want   connect.Code
			}{
				{"deny", 10, connect.CodePermissionDenied}, {"stop", 10, connect.CodeFailedPrecondition}, {"x", 2000, connect.CodeResourceExhausted},
			} {
				req := connect.NewRequest(wrapperspb.String(strings.Repeat("x", tt.size)))
				req.Header().Set(tt.header, "1")
				_, err := connect.NewClient[text, text](hc, url+"/test.Echo/Unary", opts...).CallUnary(t.Context(), req)
				if connect.CodeOf(err) != tt.want || decoded != 0 {
					t.Errorf("%s over %s, %s: %v, %d handlers ran; want %v and none", protocol, version, tt.header, err, decoded, tt.want)
				}
			}
		}
	}
}

// A page of another origin reaches what was allowed and nothing else.
func TestOrigins(t *testing.T) {
	url := serve(t, nil, nil, naru.WithWeb(web.Options{AllowedOrigins: []string{"https://shop.example"}, AllowedHeaders: []string{"Authorization"}}))
	host := strings.TrimPrefix(url, "http://")
	for version, hc := range transports(t, nil) {
		for _, tt := range []struct {
			method, origin string
			want           int
			allow          string
		}{
			{"POST", "", 200, ""},
			{"POST", "http://" + host, 200, ""},
			{"POST", "https://shop.example", 200, "https://shop.example"},
			{"POST", "https://evil.example", 403, ""},
			{"POST", "null", 403, ""},
			{"OPTIONS", "https://shop.example", 204, "https://shop.example"},
			{"OPTIONS", "https://evil.example", 403, ""},
		} {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, url+"/test.Echo/Unary", strings.NewReader(`"x"`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			if tt.method == "OPTIONS" {
				req.Header.Set("Access-Control-Request-Method", "POST")
			}
			res, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if got := res.Header.Get("Access-Control-Allow-Origin"); res.StatusCode != tt.want || got != tt.allow {
				t.Errorf("%s from %q over %s: %d, allowed %q; want %d, %q", tt.method, tt.origin, version, res.StatusCode, got, tt.want, tt.allow)
			}
		}
	}
}

// What comes that is no call is answered, and harms nothing.
func TestHostile(t *testing.T) {
	url := serve(t, nil, nil)
	for version, hc := range transports(t, nil) {
		for _, tt := range []struct {
			name, method, target, contentType, body string
			want                                    int
			text                                    string
		}{
			{"no JSON", "POST", "/test.Echo/Unary", "application/json", "{", 400, "invalid_argument"},
			{"deep JSON", "POST", "/test.Echo/Unary", "application/json", strings.Repeat("[", 10_000), 400, "invalid_argument"},
			{"other codec", "POST", "/test.Echo/Unary", "application/cbor", "x", 415, ""},
			{"stream of a unary method", "POST", "/test.Echo/Unary", "application/connect+proto", "", 415, ""},
			{"GET of a method with effects", "GET", "/test.Echo/Unary?encoding=json&message=%22x%22", "", "", 405, "NO_SIDE_EFFECTS"},
			{"GET", "GET", "/test.Echo/Get?encoding=json&message=%22x%22", "", "", 200, `"x"`},
			{"GET with bad base64", "GET", "/test.Echo/Get?encoding=proto&base64=1&message=%21", "", "", 400, "base64"},
			{"GET with bad query", "GET", "/test.Echo/Get?encoding=proto&message=%zz", "", "", 400, "query"},
			{"GET of another version", "GET", "/test.Echo/Get?encoding=json&message=%22x%22&connect=v9", "", "", 400, "version"},
			{"bad gzip", "POST", "/test.Echo/Unary", "application/grpc-web", "\x01\x00\x00\x00\x01x", 200, ""},
			{"bad base64", "POST", "/test.Echo/Unary", "application/grpc-web-text", "!!!!", 200, ""},
			{"cut envelope", "POST", "/test.Echo/Bidi", "application/connect+proto", "\x00\x00", 200, `"error"`},
			{"end from the client", "POST", "/test.Echo/Bidi", "application/connect+proto", "\x02\x00\x00\x00\x00", 200, `"error"`},
			{"unknown method", "POST", "/test.Echo/No", "application/connect+proto", "", 200, "unimplemented"},
			{"unknown unary method", "POST", "/test.Echo/No", "application/json", "{}", 404, "unimplemented"},
			{"DELETE", "DELETE", "/test.Echo/Unary", "application/json", "{}", 405, "POST"},
			{"DELETE of gRPC-Web", "DELETE", "/test.Echo/Unary", "application/grpc-web", "", 405, "POST"},
			{"HEAD", "HEAD", "/test.Echo/Get?encoding=json&message=%22x%22", "", "", 405, ""},
			{"GET with a body", "GET", "/test.Echo/Get?encoding=json&message=%22x%22", "", "ignored", 200, `"x"`},
		} {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, url+tt.target, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", tt.contentType)
			res, err := hc.Do(req)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != tt.want || !strings.Contains(string(body), tt.text) {
				t.Errorf("%s over %s: %d %q, want %d with %q", tt.name, version, res.StatusCode, body, tt.want, tt.text)
			}
		}
	}
}
