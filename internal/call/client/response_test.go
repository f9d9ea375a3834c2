package client

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

func TestResponses(t *testing.T) {
	ok := []string{"grpc-status", "0"}
	for _, tt := range []struct {
		name   string
		answer answer
		code   codes.Code
		text   string
	}{
		{"ok", answer{200, grpcHead, str("yes"), ok, false}, codes.OK, ""},
		{"ok, subtype", answer{200, []string{"content-type", "application/grpc+proto"}, str("yes"), ok, false}, codes.OK, ""},
		{"error after a message", answer{200, grpcHead, str("yes"), []string{"grpc-status", "5", "grpc-message", "no%20such%C3%A9"}, false}, codes.NotFound, "no suché"},
		{"trailers-only", answer{200, append(grpcHead[:2:2], "grpc-status", "7", "grpc-message", "no"), "", nil, false}, codes.PermissionDenied, "no"},
		{"trailers-only with HTTP error and status", answer{400, append(grpcHead[:2:2], "grpc-status", "13", "grpc-message", "bad timeout"), "", nil, false}, codes.Internal, "bad timeout"},
		{"status out of range", answer{200, grpcHead, "", []string{"grpc-status", "99", "grpc-message", "x"}, false}, codes.Unknown, "x"},
		{"status not a number", answer{200, grpcHead, "", []string{"grpc-status", "OK"}, false}, codes.Unknown, `response has a malformed grpc-status "OK"; grpc-message is ""`},
		{"status negative", answer{200, grpcHead, "", []string{"grpc-status", "-1"}, false}, codes.Unknown, `response has a malformed grpc-status "-1"; grpc-message is ""`},
		{"no status", answer{200, grpcHead, str("yes"), []string{"grpc-message", "m"}, false}, codes.Unknown, `response has no grpc-status; grpc-message is "m"`},
		{"no trailers", answer{200, grpcHead, str("yes"), nil, false}, codes.Internal, "response ended without trailers, so without a status"},
		{"status in head and no trailers", answer{200, append(grpcHead[:2:2], "grpc-status", "9"), str("yes"), nil, false}, codes.Internal, "response ended without trailers, so without a status"},
		{"status in both", answer{200, append(grpcHead[:2:2], "grpc-status", "8"), "", []string{"grpc-status", "9"}, false}, codes.FailedPrecondition, ""},
		{"head alone", answer{200, grpcHead, "", nil, false}, codes.Internal, "response ended without trailers, so without a status"},
		{"no message", answer{200, grpcHead, "", ok, false}, codes.Unimplemented, "server sent no message to a call that has one response"},
		{"two messages", answer{200, grpcHead, str("a") + str("b"), ok, false}, codes.Unimplemented, "server sent more than one message to a call that has one response"},
		{"half a message", answer{200, grpcHead, str("hello")[:8], ok, false}, codes.Internal, "response ended in the middle of a message"},
		{"bad flag", answer{200, grpcHead, "\x03\x00\x00\x00\x00", ok, false}, codes.Internal, "message with reserved compressed-flag 0x3"},
		{"too large", answer{200, grpcHead, str(strings.Repeat("x", 101)), ok, false}, codes.ResourceExhausted, "received message of 101 bytes is larger than the limit of 100 bytes (the client's Limits.MaxReceiveMessageSize)"},
		{"flagged, no encoding", answer{200, grpcHead, "\x01\x00\x00\x00\x01x", ok, false}, codes.Internal, `message is flagged as compressed, but grpc-encoding is ""`},
		{"encoding not offered", answer{200, append(grpcHead[:2:2], "grpc-encoding", "br"), str("x"), ok, false}, codes.Internal, `response has grpc-encoding "br", which was not offered`},
		{"other codec", answer{200, []string{"content-type", "application/grpc+json"}, str("{}"), ok, false}, codes.Internal, `response has content-type "application/grpc+json" to a request of content-type "application/grpc"`},
		{"not gRPC", answer{200, []string{"content-type", "text/html"}, "<h1>Welcome</h1>", nil, false}, codes.Unknown, `response is not gRPC: HTTP status 200 (OK), content-type "text/html", body begins "<h1>Welcome</h1>"`},
		{"401", answer{401, []string{"content-type", "text/plain"}, "", nil, false}, codes.Unauthenticated, `response is not gRPC: HTTP status 401 (Unauthorized), content-type "text/plain"`},
		{"404", answer{404, nil, "", nil, false}, codes.Unimplemented, `response is not gRPC: HTTP status 404 (Not Found), content-type ""`},
		{"429", answer{429, nil, "", nil, false}, codes.Unavailable, `response is not gRPC: HTTP status 429 (Too Many Requests), content-type ""`},
		{"503 long body", answer{503, nil, strings.Repeat("x", 5000), nil, false}, codes.Unavailable, `response is not gRPC: HTTP status 503 (Service Unavailable), content-type "", body begins "` + strings.Repeat("x", 200) + `"`},
		{"418", answer{418, nil, "", nil, false}, codes.Unknown, `response is not gRPC: HTTP status 418 (I'm a teapot), content-type ""`},
		{"reset", answer{0, nil, "", nil, true}, codes.Internal, "inproc: stream reset by the other side: broken"},
		{"reset after the head", answer{200, grpcHead, str("yes"), nil, true}, codes.Internal, "inproc: stream reset by the other side: broken"},
		{"contradiction", answer{200, grpcHead, "", []string{"grpc-status", "3", "grpc-status-details-bin", "CAc"}, false}, codes.Internal, `peer contradicts itself: grpc-status is INVALID_ARGUMENT (""), grpc-status-details-bin says PERMISSION_DENIED`},
		{"malformed details", answer{200, grpcHead, "", []string{"grpc-status", "3", "grpc-message", "m", "grpc-status-details-bin", "!!"}, false}, codes.InvalidArgument, "m [response trailer: malformed grpc-status-details-bin: not base64]"},
		{"malformed header", answer{200, append(grpcHead[:2:2], "id-bin", "!!"), str("yes"), ok, false}, codes.Internal, "response header: malformed id-bin: not base64"},
		{"malformed trailer", answer{200, grpcHead, str("yes"), append(ok[:2:2], "id-bin", "a"), false}, codes.Internal, "response trailer: malformed id-bin: not base64"},
		{"malformed trailer of an error", answer{200, grpcHead, "", []string{"grpc-status", "5", "grpc-message", "m", "id-bin", "%"}, false}, codes.NotFound, "m [response trailer: malformed id-bin: not base64]"},
	} {
		check := func(t *testing.T, got string, err error) {
			t.Helper()
			s := status.Convert(err)
			if s.Code() != tt.code || s.Message() != tt.text {
				t.Errorf("got  %v\nwant %v: %s", s, tt.code, tt.text)
			}
			if tt.code == codes.OK && got != "yes" {
				t.Errorf("got %q", got)
			}
		}
		t.Run("unary/"+tt.name, func(t *testing.T) {
			conn := inproc.New(&rawServer{serve: tt.answer.to}, 0, nil)
			defer conn.Close(nil)
			got, err := invoke(t.Context(), testEnv(t, conn), testSettings(), "q")
			check(t, got, err)
		})
		t.Run("client stream/"+tt.name, func(t *testing.T) {
			conn := inproc.New(&rawServer{serve: tt.answer.to}, 0, nil)
			defer conn.Close(nil)
			s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
			if err != nil {
				t.Fatal(err)
			}
			_ = s.CloseSend()
			var m encoding.RawMessage
			err = s.RecvMsg(&m)
			check(t, string(m), err)
		})
		if tt.name == "no message" || tt.name == "two messages" {
			continue // right for a stream
		}
		t.Run("server stream/"+tt.name, func(t *testing.T) {
			conn := inproc.New(&rawServer{serve: tt.answer.to}, 0, nil)
			defer conn.Close(nil)
			s, err := NewStreamWith(t.Context(), testEnv(t, conn), rawServer1, testSettings(), encoding.RawMessage("q"))
			if err != nil {
				t.Fatal(err)
			}
			var last, m encoding.RawMessage
			for err == nil {
				last = m
				m = nil
				err = s.RecvMsg(&m)
			}
			if err == io.EOF {
				err = nil
			}
			check(t, string(last), err)
			if again := s.RecvMsg(&m); tt.code == codes.OK && again != io.EOF || tt.code != codes.OK && status.Code(again) != tt.code {
				t.Errorf("a second RecvMsg at the end: %v", again)
			}
		})
	}
}

func TestRequestHead(t *testing.T) {
	var got *rawStream
	conn := inproc.New(&rawServer{serve: func(s *rawStream) {
		<-s.ended
		got = s
		answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}.to(s)
	}}, 0, nil)
	defer conn.Close(nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "From-Ctx", "1", "bin-bin", "\x00\xff", "user-agent", "forged", ":authority", "forged")
	set := testSettings()
	set.Metadata = []string{"from-option", "2"}
	set.Compression = "gzip"
	if _, err := invoke(ctx, testEnv(t, conn), set, "q"); err != nil {
		t.Fatal(err)
	}
	h := got.head
	if h.Method != "POST" || h.Path != "/t.S/unary" || h.Authority != "test" || h.Scheme != "http" {
		t.Errorf("head %+v", h)
	}
	timeout := got.field("grpc-timeout")
	if d, err := wire.ParseTimeout(timeout); err != nil || d > time.Hour || d < time.Hour-time.Minute {
		t.Errorf("grpc-timeout %q", timeout)
	}
	want := "te: trailers, content-type: application/grpc, user-agent: test/1, grpc-accept-encoding: gzip, grpc-encoding: gzip, from-option: 2, from-ctx: 1, bin-bin: AP8, grpc-timeout: " + timeout
	var all []string
	for _, f := range h.Fields {
		all = append(all, f.Name+": "+f.Value)
	}
	if got := strings.Join(all, ", "); got != want {
		t.Errorf("fields\n got %s\nwant %s", got, want)
	}
}

func TestBadMetadataIsNotSent(t *testing.T) {
	conn := inproc.New(&rawServer{serve: func(s *rawStream) { t.Error("a request was sent") }}, 0, nil)
	defer conn.Close(nil)
	for _, kv := range [][2]string{{"grpc-foo", "x"}, {"a b", "x"}, {"key", "two\nlines"}, {"te", "x"}, {"", "x"}} {
		set := testSettings()
		set.Metadata = kv[:]
		if _, err := invoke(t.Context(), testEnv(t, conn), set, "q"); status.Code(err) != codes.Internal {
			t.Errorf("%q: %v, want INTERNAL", kv, err)
		}
	}
}

func TestHeaderAndTrailer(t *testing.T) {
	head := append(grpcHead[:2:2], "a", "1", "a", "2", "b-bin", "AP8")
	for _, tt := range []struct {
		name            string
		answer          answer
		header, trailer string
	}{
		{"ok", answer{200, head, str("yes"), []string{"grpc-status", "0", "t", "9"}, false}, "map[a:[1 2] b-bin:[[2 bytes]]]", "map[t:[9]]"},
		{"error", answer{200, head, "", []string{"grpc-status", "3", "t", "9"}, false}, "map[a:[1 2] b-bin:[[2 bytes]]]", "map[t:[9]]"},
		{"trailers-only", answer{200, append(head, "grpc-status", "3"), "", nil, false}, "map[]", "map[a:[1 2] b-bin:[[2 bytes]]]"},
	} {
		conn := inproc.New(&rawServer{serve: tt.answer.to}, 0, nil)
		var header, trailer metadata.MD
		set := testSettings()
		set.Header, set.Trailer = &header, &trailer
		_, _ = invoke(t.Context(), testEnv(t, conn), set, "q")
		if h, tr := header.String(), trailer.String(); h != tt.header || tr != tt.trailer {
			t.Errorf("%s: header %s trailer %s; want %s and %s", tt.name, h, tr, tt.header, tt.trailer)
		}
		s, err := NewStream(t.Context(), testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.CloseSend()
		header, err = s.Header()
		if err != nil || header.String() != tt.header {
			t.Errorf("%s: stream header %s, %v; want %s", tt.name, header, err, tt.header)
		}
		for err == nil {
			var m encoding.RawMessage
			err = s.RecvMsg(&m)
		}
		if got := s.Trailer().String(); got != tt.trailer {
			t.Errorf("%s: stream trailer %s, want %s", tt.name, got, tt.trailer)
		}
		conn.Close(nil)
	}
}
