package call

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// rawServer is a server of a test, byte by byte: it hands streams to a function on a goroutine.
type rawServer struct {
	mu    sync.Mutex
	serve func(s *rawStream)
	heads []transport.RequestHead
}

// rawStream is a stream of a rawServer.
type rawStream struct {
	transport.ServerStream
	head   transport.RequestHead
	n      int // streams before this one
	body   strings.Builder
	mu     sync.Mutex
	ended  chan struct{}
	closed chan *transport.Error
	once   sync.Once
}

func (r *rawServer) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	h := *head
	h.Fields = append([]transport.Field(nil), head.Fields...)
	st := &rawStream{ServerStream: s, head: h, ended: make(chan struct{}), closed: make(chan *transport.Error, 1)}
	r.mu.Lock()
	st.n = len(r.heads)
	r.heads = append(r.heads, h)
	r.mu.Unlock()
	if end {
		st.once.Do(func() { close(st.ended) })
	}
	go r.serve(st)
	return st
}

func (s *rawStream) Data(p []byte, end bool) {
	s.mu.Lock()
	s.body.Write(p)
	s.mu.Unlock()
	s.Consumed(len(p))
	if end {
		s.once.Do(func() { close(s.ended) })
	}
}
func (s *rawStream) Trailers([]transport.Field) {}
func (s *rawStream) Closed(e *transport.Error) {
	s.closed <- e
	s.once.Do(func() { close(s.ended) })
}
func (s *rawStream) field(name string) string { return fieldValue(s.head.Fields, name) }
func (s *rawStream) send(out *transport.Out)  { _ = s.Send(out) }
func rawFields(kv ...string) (f []transport.Field) {
	for i := 0; i < len(kv); i += 2 {
		f = append(f, field(kv[i], kv[i+1]))
	}
	return f
}

// answer describes a response: head fields, body, and trailer fields; nil trailers: none are sent.
type answer struct {
	status   int
	head     []string
	body     string
	trailers []string
	reset    bool // in place of the end
}

func (a answer) to(s *rawStream) {
	<-s.ended
	out := &transport.Out{}
	if a.status != 0 {
		out.Head = &transport.ResponseHead{Status: a.status, Fields: rawFields(a.head...)}
	}
	if a.body != "" {
		out.Body = mem.Get(len(a.body))
		out.Body.B = append(out.Body.B, a.body...)
	}
	out.Trailers = rawFields(a.trailers...)
	out.End = !a.reset
	s.send(out)
	if a.reset {
		s.Reset(codeInternalError, "broken")
	}
}

func testEnv(t testing.TB, conn transport.ClientConn) *ClientEnv {
	registry, err := encoding.NewRegistry(
		[]encoding.Codec{encoding.Proto(), encoding.JSON(), encoding.Raw()},
		[]encoding.Compressor{encoding.Gzip()})
	if err != nil {
		t.Fatal(err)
	}
	return &ClientEnv{Channel: SingleConn{conn}, Registry: registry, Authority: "test", UserAgent: "test/1"}
}

var (
	rawUnary   = ClientMethod{FullMethod: "/t.S/unary"}
	rawServer1 = ClientMethod{FullMethod: "/t.S/server", ServerStreams: true}
	rawClient  = ClientMethod{FullMethod: "/t.S/client", ClientStreams: true}
	rawBidi    = ClientMethod{FullMethod: "/t.S/bidi", ClientStreams: true, ServerStreams: true}
)

func testSettings() *Settings { return &Settings{MaxReceiveBytes: 100, MaxSendBytes: -1} }

// invoke makes a unary call with raw messages.
func invoke(ctx context.Context, env *ClientEnv, set *Settings, req string) (string, error) {
	var res encoding.RawMessage
	err := Invoke(ctx, env, rawUnary, set, encoding.RawMessage(req), &res)
	return string(res), err
}

func str(s string) string { return string(framed([]byte(s))) }

var grpcHead = []string{"content-type", "application/grpc"}

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
		{"too large", answer{200, grpcHead, str(strings.Repeat("x", 101)), ok, false}, codes.ResourceExhausted, "received message of 101 bytes is larger than the limit of 100 bytes (WithMaxReceiveMessageSize)"},
		{"flagged, no encoding", answer{200, grpcHead, "\x01\x00\x00\x00\x01x", ok, false}, codes.Internal, `message is flagged as compressed, but grpc-encoding is ""`},
		{"encoding not offered", answer{200, append(grpcHead[:2:2], "grpc-encoding", "br"), str("x"), ok, false}, codes.Internal, `response has grpc-encoding "br", which was not offered`},
		{"other codec", answer{200, []string{"content-type", "application/grpc+json"}, str("{}"), ok, false}, codes.Internal, `response has content-type "application/grpc+json" to a request of content-type "application/grpc"`},
		{"not gRPC", answer{200, []string{"content-type", "text/html"}, "<h1>Welcome</h1>", nil, false}, codes.Unknown, `response is not gRPC: HTTP status 200 (OK), content-type "text/html", body begins "<h1>Welcome</h1>"`},
		{"401", answer{401, []string{"content-type", "text/plain"}, "", nil, false}, codes.Unauthenticated, `response is not gRPC: HTTP status 401 (Unauthorized), content-type "text/plain"`},
		{"404", answer{404, nil, "", nil, false}, codes.Unimplemented, `response is not gRPC: HTTP status 404 (Not Found), content-type ""`},
		{"429", answer{429, nil, "", nil, false}, codes.Unavailable, `response is not gRPC: HTTP status 429 (Too Many Requests), content-type ""`},
		{"503 long body", answer{503, nil, strings.Repeat("x", 5000), nil, false}, codes.Unavailable, `response is not gRPC: HTTP status 503 (Service Unavailable), content-type "", body begins "` + strings.Repeat("x", 200) + `"`},
		{"418", answer{418, nil, "", nil, false}, codes.Unknown, `response is not gRPC: HTTP status 418 (I'm a teapot), content-type ""`},
		{"reset", answer{0, nil, "", nil, true}, codes.Internal, "stream reset by the other side: broken"},
		{"reset after the head", answer{200, grpcHead, str("yes"), nil, true}, codes.Internal, "stream reset by the other side: broken"},
		{"contradiction", answer{200, grpcHead, "", []string{"grpc-status", "3", "grpc-status-details-bin", "CAc"}, false}, codes.Internal, `peer contradicts itself: grpc-status is INVALID_ARGUMENT (""), grpc-status-details-bin says PERMISSION_DENIED`},
		{"malformed details", answer{200, grpcHead, "", []string{"grpc-status", "3", "grpc-message", "m", "grpc-status-details-bin", "!!"}, false}, codes.InvalidArgument, "m"},
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
	if d, err := ParseTimeout(timeout); err != nil || d > time.Hour || d < time.Hour-time.Minute {
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

func TestDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ctx    time.Duration
		option time.Duration
		answer func(s *rawStream)
		want   string
	}{
		{"context", time.Second, 0, func(*rawStream) {}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, no response received"},
		{"option", 0, 2 * time.Second, func(*rawStream) {}, "deadline of 2s (set by WithTimeout) passed: sent to inproc 2s ago, no response received"},
		{"option earlier", 3 * time.Second, time.Second, func(*rawStream) {}, "deadline of 1s (set by WithTimeout) passed: sent to inproc 1s ago, no response received"},
		{"context earlier", time.Second, 3 * time.Second, func(*rawStream) {}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, no response received"},
		{"head came", time.Second, 0, func(s *rawStream) {
			s.send(&transport.Out{Head: &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)}})
		}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, only the header of the response received"},
		{"part came", time.Second, 0, func(s *rawStream) {
			b := mem.Get(10)
			b.B = append(b.B, str("yes")...)
			s.send(&transport.Out{Head: &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)}, Body: b})
		}, "deadline of 1s (set by the context) passed: sent to inproc 1s ago, 8 bytes of the response received"},
	} {
		for _, kind := range []string{"unary", "stream"} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var token string
					conn := inproc.New(&rawServer{serve: func(s *rawStream) {
						tt.answer(s)
						token = (<-s.closed).Token
					}}, 0, nil)
					defer conn.Close(nil)
					ctx := t.Context()
					if tt.ctx > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.ctx)
						defer cancel()
					}
					set := testSettings()
					set.Timeout = tt.option
					var err error
					if kind == "unary" {
						_, err = invoke(ctx, testEnv(t, conn), set, "q")
					} else {
						s, serr := NewStream(ctx, testEnv(t, conn), rawClient, set)
						if serr != nil {
							t.Fatal(serr)
						}
						_ = s.CloseSend()
						err = s.RecvMsg(new(encoding.RawMessage))
					}
					s := status.Convert(err)
					if s.Code() != codes.DeadlineExceeded || s.Message() != tt.want {
						t.Errorf("got  %v\nwant DEADLINE_EXCEEDED: %s", s, tt.want)
					}
					synctest.Wait()
					if token != "canceled" {
						t.Errorf("the server's stream was ended by %q, want canceled", token)
					}
				})
			})
		}
	}
}

func TestCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { <-s.closed }}, 0, nil)
		defer conn.Close(nil)
		ctx, cancel := context.WithCancelCause(t.Context())
		cause := fmt.Errorf("the user went away")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		_, err := invoke(ctx, testEnv(t, conn), testSettings(), "q")
		s := status.Convert(err)
		if want := "canceled by the caller after 1s: sent to inproc 1s ago, no response received: the user went away"; s.Code() != codes.Canceled || s.Message() != want {
			t.Errorf("got %v, want %s", s, want)
		}
		if _, err := invoke(ctx, testEnv(t, conn), testSettings(), "q"); status.Code(err) != codes.Canceled {
			t.Errorf("a call with an ended context: %v", err)
		}
		if _, err := NewStream(ctx, testEnv(t, conn), rawBidi, testSettings()); status.Code(err) != codes.Canceled {
			t.Errorf("a stream with an ended context: %v", err)
		}
	})
}

// unprocessed ends streams as a peer that has not looked at them.
func unprocessed(s *rawStream) { s.Reset(7, "refused") }

func TestTransparentRetry(t *testing.T) {
	ok := answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}
	for _, refuse := range []int{1, 2} {
		serve := func(s *rawStream) {
			if s.n < refuse {
				unprocessed(s)
				return
			}
			ok.to(s)
		}
		// gRFC A6: once, if the server's library has seen the call.
		want := codes.OK
		if refuse > 1 {
			want = codes.Unavailable
		}
		server := &rawServer{serve: serve}
		conn := inproc.New(server, 0, nil)
		if _, err := invoke(t.Context(), testEnv(t, conn), testSettings(), "q"); status.Code(err) != want {
			t.Errorf("refused %d times: unary: %v, want %v", refuse, err, want)
		}
		conn.Close(nil)

		server = &rawServer{serve: func(s *rawStream) {
			if s.n < refuse {
				<-s.ended
			}
			serve(s)
		}}
		conn = inproc.New(server, 0, nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SendMsg(encoding.RawMessage("a"))
		_ = s.SendMsg(encoding.RawMessage("b"))
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != want {
			t.Errorf("refused %d times: client stream: %v, want %v", refuse, err, want)
		}
		conn.Close(nil)
	}
}

// The attempt that succeeds is given every message of the ones before.
func TestTransparentRetryReplays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got string
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			if s.n == 0 {
				<-time.After(time.Second)
				unprocessed(s)
				return
			}
			<-s.ended
			s.mu.Lock()
			got = s.body.String()
			s.mu.Unlock()
			answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}.to(s)
		}}, 0, nil)
		defer conn.Close(nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 4 {
			if i == 2 {
				<-time.After(2 * time.Second) // the first attempt is refused now
			}
			if err := s.SendMsg(encoding.RawMessage(fmt.Sprint(i))); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); err != nil {
			t.Fatal(err)
		}
		if want := str("0") + str("1") + str("2") + str("3"); got != want {
			t.Errorf("the second attempt was sent %q, want %q", got, want)
		}
	})
}

// What is more than the replay buffer holds is sent without a second attempt.
func TestNoRetryBeyondTheReplayBuffer(t *testing.T) {
	conn := inproc.New(&rawServer{serve: func(s *rawStream) {
		if s.n > 0 {
			t.Error("a second attempt was made")
		}
		<-s.ended
		unprocessed(s)
	}}, 0, nil)
	defer conn.Close(nil)
	s, err := NewStream(t.Context(), testEnv(t, conn), rawClient, testSettings())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_ = s.SendMsg(encoding.RawMessage(strings.Repeat("x", maxReplay/2)))
	}
	_ = s.CloseSend()
	if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
}

func TestStreamLimitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			<-time.After(time.Second)
			answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}.to(s)
		}}, 2, nil)
		defer conn.Close(nil)
		env := testEnv(t, conn)
		start := time.Now()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				if _, err := invoke(t.Context(), env, testSettings(), "q"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("6 calls of 1 s, 2 at a time, took %v", d)
		}
	})
}

func TestCloseEndsAStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var token string
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { token = (<-s.closed).Token }}, 0, nil)
		defer conn.Close(nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		received := make(chan error, 1)
		go func() { received <- s.RecvMsg(new(encoding.RawMessage)) }()
		header := make(chan error, 1)
		go func() { _, err := s.Header(); header <- err }()
		synctest.Wait()
		_ = s.Close()
		_ = s.Close()
		if err := <-received; status.Code(err) != codes.Canceled {
			t.Errorf("RecvMsg: %v, want CANCELED", err)
		}
		if err := <-header; status.Code(err) != codes.Canceled {
			t.Errorf("Header: %v, want CANCELED", err)
		}
		if err := s.SendMsg(encoding.RawMessage("x")); err != io.EOF {
			t.Errorf("SendMsg: %v, want io.EOF", err)
		}
		synctest.Wait()
		if token != "canceled" {
			t.Errorf("the server saw %q", token)
		}
	})
}

func TestTwoReceiversAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) { <-s.closed }}, 0, nil)
		defer conn.Close(nil)
		s, err := NewStream(t.Context(), testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		first := make(chan error, 1)
		go func() { first <- s.RecvMsg(new(encoding.RawMessage)) }()
		synctest.Wait()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Internal {
			t.Errorf("a second receiver: %v, want INTERNAL", err)
		}
		_ = s.Close()
		<-first
	})
}

// What follows a cancellation must not succeed, even if nobody has told the stream yet.
func TestNothingSucceedsAfterCancel(t *testing.T) {
	for range 100 {
		conn := inproc.New(&rawServer{serve: func(s *rawStream) {
			answer{200, grpcHead, "", []string{"grpc-status", "0"}, false}.to(s)
		}}, 0, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := NewStream(ctx, testEnv(t, conn), rawBidi, testSettings())
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = s.CloseSend()
		if err := s.RecvMsg(new(encoding.RawMessage)); status.Code(err) != codes.Canceled {
			t.Fatalf("RecvMsg after cancel and CloseSend: %v, want CANCELED", err)
		}
		conn.Close(nil)
	}
}
