package webcall

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/web"
)

func TestClassify(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		fields       []string
		want, shared kind // shared: where something else serves the rest
	}{
		{"POST", "/s.S/Unary", []string{"content-type", "application/grpc-web"}, grpcWeb, grpcWeb},
		{"POST", "/s.S/Unary", []string{"content-type", "application/grpc-web-text+proto"}, grpcWeb, grpcWeb},
		{"POST", "/x/y", []string{"content-type", "Application/gRPC-Web+proto; charset=x"}, grpcWeb, grpcWeb},
		{"POST", "/s.S/Unary", []string{"content-type", "application/grpc-webx"}, connectUnary, connectUnary},
		{"POST", "/x/y", []string{"content-type", "application/grpc-webx"}, other, other},
		{"POST", "/x/y", []string{"content-type", "application/connect+proto"}, connectStream, connectStream},
		{"POST", "/s.S/Unary", []string{"content-type", "application/json"}, connectUnary, connectUnary},
		{"POST", "/s.S/Unary", []string{"content-type", "text/json"}, other, other},
		{"POST", "/s.S/Unary", nil, other, other},
		{"POST", "/x/y", []string{"content-type", "application/json"}, connectUnary, other},
		{"POST", "/x/y", []string{"content-type", "application/xml"}, other, other},
		{"POST", "/x/y", []string{"content-type", "application/json", "connect-protocol-version", "1"}, connectUnary, connectUnary},
		{"GET", "/s.S/Get?encoding=json", nil, connectGet, connectGet},
		{"GET", "/s.S/Get", []string{"content-type", "application/json"}, connectGet, connectGet},
		{"GET", "/s.S/Unary?encoding=json", nil, wrongMethod, wrongMethod},
		{"GET", "/s.S/GetAll?encoding=json", nil, wrongMethod, wrongMethod},
		{"GET", "/s.S/Get", []string{"content-type", "application/grpc-web"}, connectGet, connectGet},
		{"GET", "/x/y", nil, other, other},
		{"GET", "/x/y?encoding=json&message=1", nil, other, other},
		{"GET", "/x/y?connect=v1&encoding=json&message=1", nil, connectGet, connectGet},
		{"DELETE", "/s.S/Unary", []string{"content-type", "application/proto"}, wrongMethod, wrongMethod},
		{"PUT", "/x/y", []string{"content-type", "application/grpc-web"}, wrongMethod, wrongMethod},
		{"OPTIONS", "/s.S/Unary", []string{"origin", "https://a", "access-control-request-method", "POST"}, preflight, preflight},
		{"OPTIONS", "/s.S/Unary", []string{"origin", "https://a"}, wrongMethod, wrongMethod},
		{"OPTIONS", "/x/y", []string{"origin", "https://a", "access-control-request-method", "POST"}, preflight, other},
		{"OPTIONS", "/x/y", []string{"origin", "https://a", "access-control-request-method", "POST", "access-control-request-headers", "x-grpc-web"}, preflight, preflight},
		{"OPTIONS", "/x/y", nil, other, other},
	} {
		rh := head(tt.method, tt.path, tt.fields...)
		get := func(name string) string { return field(rh, name) }
		for shared, want := range map[bool]kind{false: tt.want, true: tt.shared} {
			h := testHandler(web.Options{}, shared)
			if got := h.classify(tt.method, tt.path, get).kind; got != want {
				t.Errorf("%s %s %v, shared %v: kind %d, want %d", tt.method, tt.path, tt.fields, shared, got, want)
			}
			if got := h.Accepts(tt.method, tt.path, get); got != (want != other) {
				t.Errorf("%s %s %v: Accepts = %v", tt.method, tt.path, tt.fields, got)
			}
		}
	}
}

// What is refused by its head does not become a call.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		head *transport.RequestHead
		want int
		text string
	}{
		{"HTTP method", head("DELETE", "/s.S/Unary", "content-type", "application/proto"), 405, "calls are made with POST"},
		{"GET with side effects", head("GET", "/s.S/Unary?encoding=json&message=1"), 405, "NO_SIDE_EFFECTS"},
		{"HEAD", head("HEAD", "/s.S/Get?encoding=json&message=1"), 405, ""},
		{"codec", head("POST", "/s.S/Unary", "content-type", "application/xml"), 415, ""},
		{"codec of a GET", head("GET", "/s.S/Get?message=1"), 415, ""},
		{"stream as unary", head("POST", "/s.S/Down", "content-type", "application/proto"), 415, ""},
		{"unary as stream", head("POST", "/s.S/Unary", "content-type", "application/connect+proto"), 415, ""},
		{"no message", head("GET", "/s.S/Get?encoding=json"), 400, "no message"},
		{"GET of an unknown method", head("GET", "/x/y?connect=v1&encoding=json&message=1"), 404, "unimplemented"},
		{"broken query", head("GET", "/s.S/Get?encoding=json&message=%2"), 400, "query"},
		{"broken base64", head("GET", "/s.S/Get?encoding=json&base64=1&message=*"), 400, "base64"},
		{"version", head("POST", "/s.S/Unary", "content-type", "application/proto", "connect-protocol-version", "2"), 400, "version"},
		{"timeout", head("POST", "/s.S/Unary", "content-type", "application/proto", "connect-timeout-ms", "1s"), 400, "connect-timeout-ms"},
		{"long timeout", head("POST", "/s.S/Unary", "content-type", "application/proto", "connect-timeout-ms", "00000000001"), 400, "connect-timeout-ms"},
		{"stream's version", head("POST", "/s.S/Down", "content-type", "application/connect+json", "connect-protocol-version", "x"), 200, `"invalid_argument"`},
		{"origin", head("POST", "/s.S/Unary", "content-type", "application/json", "origin", "https://evil"), 403, "https://evil"},
		{"image of another site", head("GET", "/s.S/Get?encoding=json&message=1", "sec-fetch-site", "cross-site"), 403, "other origins"},
		{"link of the same site", head("GET", "/s.S/Get?encoding=json&message=1", "sec-fetch-site", "same-site"), 403, "other origins"},
	} {
		s, calls := ask(t, testHandler(web.Options{}, false), tt.head, "some body")
		if calls != nil || s.head == nil || !s.ended || s.head.Status != tt.want || !strings.Contains(string(s.body), tt.text) {
			t.Errorf("%s: a call %v, head %v, body %q; want no call, status %d and %q", tt.name, calls != nil, s.head, s.body, tt.want, tt.text)
		}
		if s.consumed != len("some body") {
			t.Errorf("%s: %d bytes of the body given back, want all", tt.name, s.consumed)
		}
	}
}

// The head of a call is what gRPC's would be.
func TestHeads(t *testing.T) {
	h := testHandler(web.Options{RequireProtocolVersion: true}, false)
	for _, tt := range []struct {
		name string
		head *transport.RequestHead
		want map[string]string
	}{
		{"gRPC-Web", head("POST", "/s.S/Unary", "content-type", "application/grpc-web+json", "x-grpc-web", "1", "grpc-timeout", "1S", "a", "b"),
			map[string]string{"content-type": "application/grpc+json", "grpc-timeout": "1S", "a": "b", "x-grpc-web": ""}},
		{"Connect", head("POST", "/s.S/Unary", "content-type", "application/json", "connect-protocol-version", "1", "connect-timeout-ms", "1500",
			"content-encoding", "gzip", "accept-encoding", "gzip;q=1.0, br;q=0, zstd", "a", "b", "grpc-timeout", "1n"),
			map[string]string{"content-type": "application/grpc+json", "grpc-timeout": "1500m", "grpc-encoding": "gzip",
				"grpc-accept-encoding": "gzip,zstd", "a": "b", "content-encoding": "", "connect-protocol-version": ""}},
		{"Connect stream", head("POST", "/s.S/Down", "content-type", "application/connect+proto", "connect-protocol-version", "1",
			"connect-content-encoding", "zstd", "connect-accept-encoding", "gzip", "accept-encoding", "br"),
			map[string]string{"content-type": "application/grpc+proto", "grpc-encoding": "zstd", "grpc-accept-encoding": "gzip"}},
		{"Connect GET", head("GET", "/s.S/Get?connect=v1&encoding=json&compression=gzip&message=x", "a", "b"),
			map[string]string{"content-type": "application/grpc+json", "grpc-encoding": "gzip", "a": "b"}},
	} {
		_, calls := ask(t, h, tt.head)
		if calls == nil {
			t.Errorf("%s: not a call", tt.name)
			continue
		}
		if calls.head.Method != "POST" || strings.Contains(calls.head.Path, "?") {
			t.Errorf("%s: %s %s", tt.name, calls.head.Method, calls.head.Path)
		}
		for name, want := range tt.want {
			if got := field(calls.head, name); got != want {
				t.Errorf("%s: %s = %q, want %q", tt.name, name, got, want)
			}
		}
	}
}

// The body of a call is messages, whatever pieces the request's came in.
func TestBodies(t *testing.T) {
	h := testHandler(web.Options{}, false)
	text := func(p string) string { return base64.StdEncoding.EncodeToString([]byte(p)) }
	const two = "\x00\x00\x00\x00\x02hi\x01\x00\x00\x00\x01x"
	plainHi, both := []fakeMessage{{0, "hi"}}, []fakeMessage{{0, "hi"}, {1, "x"}}
	for _, tt := range []struct {
		name   string
		head   *transport.RequestHead
		pieces []string
		want   []fakeMessage
	}{
		{"gRPC-Web", head("POST", "/s.S/Unary", "content-type", "application/grpc-web"), []string{two[:3], two[3:]}, both},
		{"text", head("POST", "/s.S/Unary", "content-type", "application/grpc-web-text"), []string{text(two)}, both},
		{"text, padded between messages", head("POST", "/s.S/Unary", "content-type", "application/grpc-web-text"),
			[]string{text(two[:7]), text(two[7:])}, both},
		{"text in single bytes", head("POST", "/s.S/Unary", "content-type", "application/grpc-web-text"), strings.Split(text(two), ""), both},
		{"unary", head("POST", "/s.S/Unary", "content-type", "application/proto", "content-length", "2"), []string{"h", "i"}, plainHi},
		{"unary of unknown length", head("POST", "/s.S/Unary", "content-type", "application/proto"), []string{"h", "i", ""}, plainHi},
		{"unary, compressed", head("POST", "/s.S/Unary", "content-type", "application/proto", "content-encoding", "gzip"), []string{"hi"}, []fakeMessage{{1, "hi"}}},
		{"unary, empty", head("POST", "/s.S/Unary", "content-type", "application/proto", "content-encoding", "gzip"), nil, []fakeMessage{{0, ""}}},
		{"GET", head("GET", "/s.S/Get?encoding=proto&message=hi"), nil, plainHi},
		{"GET in base64", head("GET", "/s.S/Get?encoding=proto&base64=1&message=aGk"), nil, plainHi},
		{"GET in padded base64", head("GET", "/s.S/Get?encoding=proto&base64=1&message=aGk%3D"), nil, plainHi},
		{"GET of nothing", head("GET", "/s.S/Get?encoding=proto&message="), nil, []fakeMessage{{0, ""}}},
		{"GET with a body", head("GET", "/s.S/Get?encoding=proto&message=hi"), []string{"bo", "dy"}, plainHi},
		{"stream", head("POST", "/s.S/Down", "content-type", "application/connect+proto"), []string{two}, both},
	} {
		s, calls := ask(t, h, tt.head, tt.pieces...)
		if calls == nil {
			t.Errorf("%s: not a call: %v %q", tt.name, s.head, s.body)
			continue
		}
		got, whole := calls.messages()
		if !whole || !calls.ended || len(got) != len(tt.want) {
			t.Errorf("%s: %q, ended %v; want %v", tt.name, calls.body, calls.ended, tt.want)
			continue
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("%s: message %d is %v, want %v", tt.name, i, got[i], tt.want[i])
			}
		}
		if n := len(strings.Join(tt.pieces, "")); s.consumed != n {
			t.Errorf("%s: %d bytes given back, want %d", tt.name, s.consumed, n)
		}
	}
}

// A message longer than the limit is not kept: the call learns its length and refuses it.
func TestTooLong(t *testing.T) {
	h := testHandler(web.Options{}, false)
	piece := strings.Repeat("x", testLimit/2)
	s, calls := ask(t, h, head("POST", "/s.S/Unary", "content-type", "application/proto"), piece, piece, piece, piece, "")
	if got := len(calls.body); got > prefixLen+testLimit || calls.body[3] < testLimit>>8 || s.consumed != 4*len(piece) {
		t.Errorf("the call has %d bytes, %d were given back; want the length of too long a message, and all", got, s.consumed)
	}
	// What does not end is asked for no longer than the limit either.
	for _, w := range s.wants {
		if w[1] > testLimit+window {
			t.Errorf("%d bytes wanted", w[1])
		}
	}
}

// What is kept of a body goes with its call, however that ends, as it is given back: the client may
// leave the rest out.
func TestDropped(t *testing.T) {
	for name, end := range map[string]func(transport.ServerStream, transport.Sink){
		"answered": func(s transport.ServerStream, _ transport.Sink) {
			send(t, s, &transport.Out{Head: responseHead("grpc-status", "4"), End: true})
		},
		"gone": func(_ transport.ServerStream, sink transport.Sink) { sink.Closed(nil) },
	} {
		s, calls := new(fakeStream), new(fakeCalls)
		sink := testHandler(web.Options{}, false).Stream(s, head("POST", "/s.S/Unary", "content-type", "application/proto"), false, calls)
		sink.Data([]byte("half"), false)
		in := sink.(*exchange).in.(*wholeInput)
		if in.size() != 4 {
			t.Fatalf("%d bytes are kept", in.size())
		}
		end(calls.stream, sink)
		if in.size() != 0 || s.consumed != 4 {
			t.Errorf("%s: %d bytes are kept, %d were given back", name, in.size(), s.consumed)
		}
		sink.Data([]byte("rest"), true)
		if in.size() != 0 || s.consumed != 8 {
			t.Errorf("%s: %d bytes are kept, %d were given back", name, in.size(), s.consumed)
		}
	}
}

// Base64 that is none fails the call, in the middle as at the end.
func TestBrokenText(t *testing.T) {
	h := testHandler(web.Options{}, false)
	for _, pieces := range [][]string{{"AAAA!AAA", ""}, {"AAA"}, {"AAAAAAA", "!", "AAAA"}, {"=AAA"}} {
		s, calls := ask(t, h, head("POST", "/s.S/Unary", "content-type", "application/grpc-web-text"), pieces...)
		if _, whole := calls.messages(); whole || !calls.ended {
			t.Errorf("%q: the call got %q, ended %v; want something that is no message", pieces, calls.body, calls.ended)
		}
		_ = s
	}
}
