package client

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
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
func (s *rawStream) field(name string) string { return wire.FieldValue(s.head.Fields, name) }
func (s *rawStream) send(out *transport.Out)  { _ = s.Send(out) }
func rawFields(kv ...string) (f []transport.Field) {
	for i := 0; i < len(kv); i += 2 {
		f = append(f, wire.Field(kv[i], kv[i+1]))
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
		s.Reset(wire.CodeInternalError, "broken")
	}
}

func testEnv(t testing.TB, conn transport.ClientConn) *Env {
	registry, err := encoding.NewRegistry(
		[]encoding.Codec{encoding.Proto(), encoding.JSON(), encoding.Raw()},
		[]encoding.Compressor{encoding.Gzip()})
	if err != nil {
		t.Fatal(err)
	}
	return &Env{Channel: SingleConn{conn}, Registry: registry, Authority: "test", UserAgent: "test/1"}
}

var (
	rawUnary   = Method{FullMethod: "/t.S/unary"}
	rawServer1 = Method{FullMethod: "/t.S/server", ServerStreams: true}
	rawClient  = Method{FullMethod: "/t.S/client", ClientStreams: true}
	rawBidi    = Method{FullMethod: "/t.S/bidi", ClientStreams: true, ServerStreams: true}
)

func testSettings() *Settings { return &Settings{MaxReceiveBytes: 100, MaxSendBytes: -1} }

// invoke makes a unary call with raw messages.
func invoke(ctx context.Context, env *Env, set *Settings, req string) (string, error) {
	var res encoding.RawMessage
	err := Invoke(ctx, env, rawUnary, set, encoding.RawMessage(req), &res)
	return string(res), err
}

// str is a message with its prefix.
func str(s string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(s)))) + s
}

var grpcHead = []string{"content-type", "application/grpc"}
