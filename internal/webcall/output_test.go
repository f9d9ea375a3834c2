package webcall

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/web"
	"google.golang.org/protobuf/types/known/durationpb"
)

// begin makes a call of each protocol.
func beginCall(t *testing.T, contentType, path string, kv ...string) (*fakeStream, transport.ServerStream) {
	t.Helper()
	s, calls := ask(t, testHandler(web.Options{AllowedOrigins: []string{"https://a"}}, false),
		head("POST", path, append([]string{"content-type", contentType}, kv...)...), "")
	if calls == nil {
		t.Fatalf("no call of %s", path)
	}
	return s, calls.stream
}

func responseHead(kv ...string) *transport.ResponseHead {
	return &transport.ResponseHead{Status: 200, Fields: head("", "", append([]string{"content-type", "application/grpc+proto"}, kv...)...).Fields}
}

const message = "\x00\x00\x00\x00\x02hi"

// A response that succeeds, in steps as in one.
func TestResponses(t *testing.T) {
	end := transport.Out{End: true, Trailers: head("", "", "grpc-status", "0", "x-tail", "t").Fields}
	const webEnd = "\x80\x00\x00\x00\x1bgrpc-status: 0\r\nx-tail: t\r\n"
	connectEnd := "\x02\x00\x00\x00\x1e" + `{"metadata":{"x-tail":["t"]}}`
	connectEnd = connectEnd[:4] + string(rune(len(connectEnd)-prefixLen)) + connectEnd[5:]
	for _, tt := range []struct {
		contentType, path, wantType, body string
		fields                            map[string]string
	}{
		{"application/grpc-web", "/s.S/Unary", "application/grpc-web", message + webEnd, map[string]string{"grpc-encoding": "gzip"}},
		{"application/grpc-web+json", "/s.S/Unary", "application/grpc-web+json", message + webEnd, nil},
		{"application/grpc-web-text", "/s.S/Unary", "application/grpc-web-text", "", nil},
		{"application/connect+proto", "/s.S/Down", "application/connect+proto", message + connectEnd, map[string]string{"connect-content-encoding": "gzip", "grpc-encoding": ""}},
		{"application/proto", "/s.S/Unary", "application/proto", "hi", map[string]string{"trailer-x-tail": "t", "grpc-encoding": "", "content-encoding": ""}},
	} {
		for _, steps := range []int{1, 3} {
			s, call := beginCall(t, tt.contentType, tt.path)
			h, body := responseHead("x-head", "h", "grpc-encoding", "gzip"), buf(message)
			if steps == 1 {
				out := end
				out.Head, out.Body = h, body
				send(t, call, &out)
			} else {
				send(t, call, &transport.Out{Head: h})
				send(t, call, &transport.Out{Body: body})
				out := end
				send(t, call, &out)
			}
			got := string(s.body)
			if strings.HasSuffix(tt.contentType, "-text") {
				if got = decodeAll(t, got); got != message+webEnd {
					t.Errorf("%s: %q", tt.contentType, got)
				}
			} else if got != tt.body {
				t.Errorf("%s in %d steps: body %q, want %q", tt.contentType, steps, got, tt.body)
			}
			want := map[string]string{"content-type": tt.wantType, "x-head": "h"}
			maps.Copy(want, tt.fields)
			for name, v := range want {
				if s.field(name) != v {
					t.Errorf("%s: %s is %q, want %q", tt.contentType, name, s.field(name), v)
				}
			}
			if len(s.trailers) > 0 || !s.ended || s.head.Status != 200 {
				t.Errorf("%s: trailers %v, ended %v, status %d", tt.contentType, s.trailers, s.ended, s.head.Status)
			}
		}
	}
}

func send(t *testing.T, s transport.ServerStream, out *transport.Out) {
	t.Helper()
	if err := s.Send(out); err != nil {
		t.Fatal(err)
	}
}

// decodeAll decodes base64 that was padded in the middle.
func decodeAll(t *testing.T, text string) string {
	var all []byte
	for len(text) >= 4 {
		var err error
		if all, err = base64.StdEncoding.AppendDecode(all, []byte(text[:4])); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		text = text[4:]
	}
	return string(all)
}

func failure(t *testing.T, code codes.Code) *status.Status {
	t.Helper()
	s, err := status.New(code, "it's \"so\"\n").WithDetails(durationpb.New(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each code has the name and the HTTP status of Connect's specification.
func TestConnectErrors(t *testing.T) {
	want := map[codes.Code]struct {
		name   string
		status int
	}{
		1: {"canceled", 499}, 2: {"unknown", 500}, 3: {"invalid_argument", 400}, 4: {"deadline_exceeded", 504}, 5: {"not_found", 404},
		6: {"already_exists", 409}, 7: {"permission_denied", 403}, 8: {"resource_exhausted", 429}, 9: {"failed_precondition", 400},
		10: {"aborted", 409}, 11: {"out_of_range", 400}, 12: {"unimplemented", 501}, 13: {"internal", 500}, 14: {"unavailable", 503},
		15: {"data_loss", 500}, 16: {"unauthenticated", 401}, 99: {"unknown", 500},
	}
	for code, w := range want {
		s, call := beginCall(t, "application/json", "/s.S/Unary")
		st := failure(t, code)
		h := responseHead("x-head", "h", "grpc-status", wire.CodeText(code), "grpc-message", wire.PercentEncode(st.Message()), "x-tail", "t")
		h.Fields = append(h.Fields, wire.DetailsField(st))
		send(t, call, &transport.Out{Head: h, End: true})
		var got struct {
			Code, Message string
			Details       []struct{ Type, Value string }
		}
		if err := json.Unmarshal(s.body, &got); err != nil {
			t.Fatalf("%v: %q: %v", code, s.body, err)
		}
		if got.Code != w.name || s.head.Status != w.status || got.Message != "it's \"so\"\n" || len(got.Details) != 1 ||
			got.Details[0].Type != "google.protobuf.Duration" || strings.Contains(got.Details[0].Value, "=") {
			t.Errorf("%v: status %d, %s; want %d, %s", code, s.head.Status, s.body, w.status, w.name)
		}
		if s.field("content-type") != "application/json" || s.field("trailer-x-tail") != "t" || s.field("grpc-status") != "" {
			t.Errorf("%v: %v", code, s.head.Fields)
		}
	}
}

// A message that gRPC's header has percent-encoded is sent as it was, with details and without.
func TestErrorText(t *testing.T) {
	const text = "100 % 없음"
	s, call := beginCall(t, "application/json", "/s.S/Unary")
	send(t, call, &transport.Out{Head: responseHead("grpc-status", "5", "grpc-message", wire.PercentEncode(text)), End: true})
	if !strings.Contains(string(s.body), text) {
		t.Errorf("%s, want %q", s.body, text)
	}
	s, call = beginCall(t, "application/connect+json", "/s.S/Down")
	send(t, call, &transport.Out{Head: responseHead()})
	send(t, call, &transport.Out{End: true, Trailers: head("", "", "grpc-status", "5", "grpc-message", wire.PercentEncode(text)).Fields})
	if !strings.Contains(string(s.body), text) {
		t.Errorf("%q, want %q", s.body, text)
	}
}

// A response whose head the client does not accept is sent again without what was too much, as long
// as there is something to leave out.
func TestTooLargeHead(t *testing.T) {
	s, call := beginCall(t, "application/proto", "/s.S/Unary")
	s.refuse = []error{&transport.HeaderListError{Section: transport.SectionResponseHeader, Size: 9, Limit: 8}}
	send(t, call, &transport.Out{Head: responseHead("x-head", "h")})
	err := call.Send(&transport.Out{Body: buf(message), End: true, Trailers: head("", "", "grpc-status", "0", "x-tail", "t").Fields})
	large, ok := err.(*transport.HeaderListError)
	if !ok || large.Section != transport.SectionTrailer || s.ended {
		t.Fatalf("%v, ended %v; want an error about trailers", err, s.ended)
	}
	send(t, call, &transport.Out{End: true, Trailers: head("", "", "grpc-status", "8", "grpc-message", "too large").Fields})
	if s.head.Status != 429 || !strings.Contains(string(s.body), "too large") || s.field("x-head") != "" || s.field("trailer-x-tail") != "" {
		t.Errorf("%d %v %q; want RESOURCE_EXHAUSTED and nothing else", s.head.Status, s.head.Fields, s.body)
	}
}

// What a page of another origin may see is named, and nothing is said to others.
func TestCORSFields(t *testing.T) {
	for _, tt := range []struct {
		name, origin, host string
		opts               web.Options
		status             int
		allow, credentials string
	}{
		{"allowed", "https://a", "here", web.Options{AllowedOrigins: []string{"https://a"}}, 200, "https://a", ""},
		{"other port", "https://a:8443", "here", web.Options{AllowedOrigins: []string{"https://a"}}, 403, "", ""},
		{"other scheme", "http://a", "here", web.Options{AllowedOrigins: []string{"https://a"}}, 403, "", ""},
		{"suffix", "https://evil-a", "here", web.Options{AllowedOrigins: []string{"https://a"}}, 403, "", ""},
		{"opaque", "null", "here", web.Options{AllowedOrigins: []string{"https://a"}}, 403, "", ""},
		{"own", "https://here", "here", web.Options{AllowedOrigins: []string{"https://a"}}, 200, "", ""},
		{"own, none allowed", "https://here:1", "here:1", web.Options{}, 200, "", ""},
		{"any", "https://b", "here", web.Options{AllowedOrigins: []string{"*"}}, 200, "*", ""},
		{"credentials", "https://a", "here", web.Options{AllowedOrigins: []string{"https://a"}, AllowCredentials: true}, 200, "https://a", "true"},
	} {
		rh := head("POST", "/s.S/Unary", "content-type", "application/proto", "origin", tt.origin)
		rh.Authority = tt.host
		s, calls := ask(t, testHandler(tt.opts, false), rh, "")
		if calls != nil {
			send(t, calls.stream, &transport.Out{Head: responseHead("x-head", "h"), Body: buf(message), End: true, Trailers: head("", "", "grpc-status", "0", "x-tail", "t").Fields})
		}
		exposed := s.field("access-control-expose-headers")
		if s.head.Status != tt.status || s.field("access-control-allow-origin") != tt.allow || s.field("access-control-allow-credentials") != tt.credentials {
			t.Errorf("%s: %d %v", tt.name, s.head.Status, s.head.Fields)
		}
		if want := tt.allow != ""; strings.Contains(exposed, "x-head") != want || strings.Contains(exposed, "trailer-x-tail") != want {
			t.Errorf("%s: exposed are %q", tt.name, exposed)
		}
		rh.Method = "OPTIONS"
		rh.Fields = append(rh.Fields, wire.Field("access-control-request-method", "POST"))
		pre, _ := ask(t, testHandler(tt.opts, false), rh)
		if ok := pre.head.Status == 204; ok != (tt.status == 200) || pre.field("access-control-allow-origin") != tt.allow {
			t.Errorf("%s: preflight: %d %v", tt.name, pre.head.Status, pre.head.Fields)
		}
	}
}
