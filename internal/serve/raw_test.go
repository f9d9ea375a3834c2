package serve

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
)

// rawCall is a request of a test, byte by byte, and what came back.
type rawCall struct {
	mu       sync.Mutex
	status   int
	head     map[string]string
	body     []byte
	trailers map[string]string
	closed   *transport.Error
	ended    bool
	done     chan struct{}
}

func newRawCall() *rawCall { return &rawCall{done: make(chan struct{})} }

func fieldMap(fields []transport.Field) map[string]string {
	m := make(map[string]string)
	for _, f := range fields {
		m[f.Name] = f.Value
	}
	return m
}

func (r *rawCall) Head(h *transport.ResponseHead, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.head = h.Status, fieldMap(h.Fields)
	if end {
		r.trailers = r.head
		r.endLocked()
	}
}

func (r *rawCall) endLocked() {
	if !r.ended {
		r.ended = true
		close(r.done)
	}
}

func (r *rawCall) Data(p []byte, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.body = append(r.body, p...)
	if end {
		r.endLocked()
	}
}

func (r *rawCall) Trailers(fields []transport.Field) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trailers = fieldMap(fields)
	r.endLocked()
}

func (r *rawCall) Closed(err *transport.Error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = err
	r.endLocked()
}

// String is what tests compare: status, content-type, grpc-status and -message, body.
func (r *rawCall) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed != nil {
		return "closed: " + string(r.closed.Token)
	}
	s := fmt.Sprintf("%d %s", r.status, r.head["content-type"])
	if len(r.body) > 0 {
		s += fmt.Sprintf(" %q", r.body)
	}
	if c, ok := r.trailers["grpc-status"]; ok {
		s += " grpc-status " + c
		if m := r.trailers["grpc-message"]; m != "" {
			s += ": " + m
		}
	}
	return s
}

// frame returns a message with its prefix.
func frame(s string) string { return flagged(0, s) }

func flagged(flag byte, s string) string {
	b := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(s)))
	return string(append(b, s...))
}

func fields(kv ...string) (f []transport.Field) {
	for i := 0; i < len(kv); i += 2 {
		f = append(f, transport.Field{Name: kv[i], Value: kv[i+1]})
	}
	return f
}

// testServer has the methods /t.S/unary, which answers with the raw request, /t.S/bidi, which
// echoes, and /t.S/stream, which sends each byte of the request.
func testServer(t testing.TB, change ...func(*Config)) *Server {
	registry, err := encoding.NewRegistry(
		[]encoding.Codec{encoding.Proto(), encoding.JSON(), encoding.Raw()},
		[]encoding.Compressor{encoding.Gzip()})
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	unary := func(c *server.Call) error {
		var m encoding.RawMessage
		if err := c.RecvMsg(&m); err != nil {
			return err
		}
		return c.Reply(m)
	}
	cfg := &Config{
		Env: &server.Env{Registry: registry, MaxReceiveBytes: 100, MaxSendBytes: -1, Logger: logger},
		Methods: map[string]*server.Method{
			"/t.S/unary":  {FullMethod: "/t.S/unary", Handle: unary},
			"/t.S/bidi":   {FullMethod: "/t.S/bidi", ClientStreams: true, ServerStreams: true, Handle: echoBidi},
			"/t.S/stream": {FullMethod: "/t.S/stream", ServerStreams: true, Handle: sendBytes},
		},
		Services:    map[string]bool{"t.S": true},
		Logger:      logger,
		MaxHandlers: 100,
	}
	for _, f := range change {
		f(cfg)
	}
	s := New(cfg)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func echoBidi(c *server.Call) error {
	for {
		var m encoding.RawMessage
		if err := c.RecvMsg(&m); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := c.SendMsg(m); err != nil {
			return err
		}
	}
}

func sendBytes(c *server.Call) error {
	var m encoding.RawMessage
	if err := c.RecvMsg(&m); err != nil {
		return err
	}
	for i := range m {
		if err := c.SendMsg(m[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

// exchange sends a request in the given pieces of body and waits for the answer.
func exchange(t *testing.T, s *Server, head *transport.RequestHead, pieces ...string) *rawCall {
	t.Helper()
	conn, err := dial(s)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(nil)
	r := newRawCall()
	stream, err := conn.Open(head, nil, len(pieces) == 0, r)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range pieces {
		b := bufOf(p)
		if stream.Send(b, i == len(pieces)-1) != nil {
			break // the server has answered already
		}
	}
	<-r.done
	return r
}

func post(path string, kv ...string) *transport.RequestHead {
	return &transport.RequestHead{
		Method: "POST", Scheme: "http", Authority: "test", Path: path,
		Fields: append(fields("content-type", "application/grpc", "te", "trailers"), fields(kv...)...),
	}
}

func TestRequests(t *testing.T) {
	get := post("/t.S/unary")
	get.Method = "GET"
	contentType := func(ct string) *transport.RequestHead {
		return &transport.RequestHead{Method: "POST", Path: "/t.S/unary", Fields: fields("content-type", ct)}
	}
	gz, err := encoding.Gzip().Compress(nil, []byte("packed"))
	if err != nil {
		t.Fatal(err)
	}
	long, err := encoding.Gzip().Compress(nil, make([]byte, 101))
	if err != nil {
		t.Fatal(err)
	}
	const hi = "200 application/grpc \"\\x00\\x00\\x00\\x00\\x02hi\" grpc-status 0"
	for _, tt := range []struct {
		name   string
		head   *transport.RequestHead
		pieces []string
		want   string
	}{
		{"unary", post("/t.S/unary"), []string{frame("hi")}, hi},
		{"half-close apart", post("/t.S/unary"), []string{frame("hi"), ""}, hi},
		{"prefix in pieces", post("/t.S/unary"), []string{"\x00\x00", "\x00", "\x00\x02h", "i"}, hi},
		{"no te", contentType("application/grpc"), []string{frame("hi")}, hi},
		{"subtype proto", contentType("application/grpc+proto"), []string{frame("hi")}, strings.Replace(hi, "grpc ", "grpc+proto ", 1)},
		{"subtype json", contentType("application/grpc+json"), []string{frame("hi")}, strings.Replace(hi, "grpc ", "grpc+json ", 1)},
		{"subtype unknown", contentType("application/grpc+xml"), []string{frame("hi")}, `415 application/grpc+xml grpc-status 12: unknown content subtype "xml"`},
		{"empty message", post("/t.S/unary"), []string{frame("")}, "200 application/grpc \"\\x00\\x00\\x00\\x00\\x00\" grpc-status 0"},
		{"no message", post("/t.S/unary"), nil, "200 application/grpc grpc-status 12: client sent no message to a method that takes one"},
		{"no message, empty body", post("/t.S/unary"), []string{""}, "200 application/grpc grpc-status 12: client sent no message to a method that takes one"},
		{"two messages", post("/t.S/unary"), []string{frame("a") + frame("b")}, "200 application/grpc grpc-status 12: client sent more than one message to a method that takes one"},
		{"two messages to a server stream", post("/t.S/stream"), []string{frame("a"), frame("b")}, "200 application/grpc grpc-status 12: client sent more than one message to a method that takes one"},
		{"server stream", post("/t.S/stream"), []string{frame("ab")}, "200 application/grpc \"\\x00\\x00\\x00\\x00\\x01a\\x00\\x00\\x00\\x00\\x01b\" grpc-status 0"},
		{"half a message", post("/t.S/unary"), []string{frame("hello")[:7]}, "200 application/grpc grpc-status 13: request ended in the middle of a message"},
		{"half a prefix", post("/t.S/bidi"), []string{"\x00\x00"}, "200 application/grpc grpc-status 13: request ended in the middle of a message"},
		{"reserved flag", post("/t.S/unary"), []string{flagged(2, "hi")}, "200 application/grpc grpc-status 13: message with reserved compressed-flag 0x2"},
		{"too large", post("/t.S/unary"), []string{frame(strings.Repeat("x", 101))}, "200 application/grpc grpc-status 8: received message of 101 bytes is larger than the limit of 100 bytes (the server's Limits.MaxReceiveMessageSize)"},
		{"too large by claim", post("/t.S/unary"), []string{"\x00\xff\xff\xff\xff"}, "200 application/grpc grpc-status 8: received message of 4294967295 bytes is larger than the limit of 100 bytes (the server's Limits.MaxReceiveMessageSize)"},
		{"as large as allowed", post("/t.S/bidi"), []string{frame(strings.Repeat("x", 100))}, fmt.Sprintf("200 application/grpc %q grpc-status 0", frame(strings.Repeat("x", 100)))},
		{"echo then end", post("/t.S/bidi"), []string{frame("a"), frame("b"), ""}, "200 application/grpc \"\\x00\\x00\\x00\\x00\\x01a\\x00\\x00\\x00\\x00\\x01b\" grpc-status 0"},
		{"stream of nothing", post("/t.S/bidi"), nil, "200 application/grpc grpc-status 0"},
		{"unknown method", post("/t.S/other"), []string{frame("")}, "200 application/grpc grpc-status 12: unknown method other of service t.S"},
		{"unknown service", post("/x.Y/unary"), []string{frame("")}, "200 application/grpc grpc-status 12: unknown service x.Y"},
		{"two slashes", post("//t.S/unary"), nil, "200 application/grpc grpc-status 12: unknown service /t.S"},
		{"query", post("/t.S/unary?a=b"), nil, "200 application/grpc grpc-status 12: unknown method unary?a=b of service t.S"},
		{"escaped", post("/t.S/un%61ry"), nil, "200 application/grpc grpc-status 12: unknown method un%2561ry of service t.S"},
		{"no method", post("/t.S/"), nil, `200 application/grpc grpc-status 12: malformed method name "/t.S/"`},
		{"no service", post("/unary"), nil, `200 application/grpc grpc-status 12: malformed method name "/unary"`},
		{"no slash", post("t.S/unary"), nil, `200 application/grpc grpc-status 12: malformed method name "t.S/unary"`},
		{"empty path", post(""), nil, `200 application/grpc grpc-status 12: malformed method name ""`},
		{"GET", get, nil, `405 application/grpc grpc-status 13: gRPC calls use the method POST, not "GET"`},
		{"not gRPC", contentType("text/html"), nil, `415 text/plain; charset=utf-8 "this server speaks gRPC: content-type must be application/grpc\n"`},
		{"gRPC-Web", contentType("application/grpc-web+proto"), []string{"x"}, `415 text/plain; charset=utf-8 "this server speaks gRPC: content-type must be application/grpc\n"`},
		{"bad timeout", post("/t.S/unary", "grpc-timeout", "1x"), []string{frame("hi")}, "400 application/grpc grpc-status 13: malformed grpc-timeout: grpc-timeout is not 1 to 8 digits and one of H M S m u n"},
		{"timeout", post("/t.S/unary", "grpc-timeout", "99999999H"), []string{frame("hi")}, hi},
		{"gzip", post("/t.S/unary", "grpc-encoding", "gzip"), []string{flagged(1, string(gz))}, "200 application/grpc \"\\x00\\x00\\x00\\x00\\x06packed\" grpc-status 0"},
		{"gzip, message not compressed", post("/t.S/unary", "grpc-encoding", "gzip"), []string{frame("hi")}, hi},
		{"gzip, damaged", post("/t.S/unary", "grpc-encoding", "gzip"), []string{flagged(1, "nonsense")}, "200 application/grpc grpc-status 13: decompress message: encoding: gzip decompress: unexpected EOF"},
		{"gzip, expands too far", post("/t.S/unary", "grpc-encoding", "gzip"), []string{flagged(1, string(long))}, fmt.Sprintf("200 application/grpc grpc-status 8: received message of %d compressed bytes expands to more than the limit of 100 bytes (the server's Limits.MaxReceiveMessageSize)", len(long))},
		{"flag without encoding", post("/t.S/unary"), []string{flagged(1, string(gz))}, `200 application/grpc grpc-status 13: message is flagged as compressed, but grpc-encoding is ""`},
		{"flag with identity", post("/t.S/unary", "grpc-encoding", "identity"), []string{flagged(1, string(gz))}, `200 application/grpc grpc-status 13: message is flagged as compressed, but grpc-encoding is "identity"`},
		{"unknown encoding", post("/t.S/unary", "grpc-encoding", "br"), []string{frame("hi")}, `200 application/grpc grpc-status 12: grpc-encoding "br" is not supported; accepted are: identity,gzip`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := exchange(t, testServer(t), tt.head, tt.pieces...).String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestUnknownEncodingNamesTheAccepted(t *testing.T) {
	r := exchange(t, testServer(t), post("/t.S/unary", "grpc-encoding", "br"), frame("hi"))
	if got := r.trailers["grpc-accept-encoding"]; got != "gzip" {
		t.Errorf("grpc-accept-encoding = %q, want gzip", got)
	}
}

func TestOversizeHeaderIsRefused(t *testing.T) {
	head := post("/t.S/unary")
	head.Oversize = &transport.Error{Reason: "header list of 20000 bytes"}
	got := exchange(t, testServer(t), head, frame("hi")).String()
	if want := "200 application/grpc grpc-status 8: request header: header list of 20000 bytes"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A call that is reset while it waits for its turn runs no handler.
func TestResetBeforeRunIsNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var ran []string
		var mu sync.Mutex
		s := testServer(t, func(c *Config) {
			c.MaxHandlers = 1
			c.Methods["/t.S/unary"].Handle = func(sc *server.Call) error {
				var m encoding.RawMessage
				if err := sc.RecvMsg(&m); err != nil {
					return err
				}
				mu.Lock()
				ran = append(ran, string(m))
				mu.Unlock()
				<-release
				return sc.Reply(m)
			}
		})
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(nil)
		var streams []transport.ClientStream
		for _, name := range []string{"first", "second"} {
			b := bufOf(frame(name))
			st, err := conn.Open(post("/t.S/unary"), b, true, newRawCall())
			if err != nil {
				t.Fatal(err)
			}
			streams = append(streams, st)
			synctest.Wait()
		}
		if n := s.OpenCalls(); n != 2 {
			t.Errorf("%d calls open, want 2", n)
		}
		streams[1].Reset(8, "canceled")
		close(release)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if strings.Join(ran, " ") != "first" {
			t.Errorf("handlers ran for %v, want the first alone", ran)
		}
		if n := s.OpenCalls(); n != 0 {
			t.Errorf("%d calls open", n)
		}
	})
}

func TestAuthenticatorRunsBeforeTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		s := testServer(t, func(c *Config) {
			c.Env.Authenticate = func(sc *server.Call) (context.Context, error) {
				order = append(order, "auth")
				return nil, nil
			}
		})
		conn, err := dial(s)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(nil)
		r := newRawCall()
		st, err := conn.Open(post("/t.S/unary"), nil, false, r)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		order = append(order, "body")
		b := bufOf(frame("hi"))
		if err := st.Send(b, true); err != nil {
			t.Fatal(err)
		}
		<-r.done
		if got := strings.Join(order, " "); got != "auth body" {
			t.Errorf("order was %s", got)
		}
		if !sort.StringsAreSorted(order) || r.trailers["grpc-status"] != "0" {
			t.Errorf("got %s", r)
		}
	})
}

func bufOf(s string) *mem.Buf {
	b := mem.Get(len(s))
	b.B = append(b.B, s...)
	return b
}

// dial is InProcess without a limit of streams: a peer that does not heed any.
func dial(s *Server) (*inproc.Conn, error) {
	c := newConnection(s)
	in := inproc.New(c, 0, c.ConnDone)
	if !s.add(c, in) {
		return nil, ErrClosed
	}
	return in, nil
}
