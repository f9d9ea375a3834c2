package webcall

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/web"
)

// fakeStream is a client's stream: it notes what is sent on it.
type fakeStream struct {
	conn     transport.ConnInfo
	head     *transport.ResponseHead
	body     []byte
	trailers []transport.Field
	ended    bool
	reset    bool
	consumed int
	wants    [][2]int64
	refuse   []error // what the next Sends fail with; nil: they do not
}

var _ transport.ServerStream = (*fakeStream)(nil)

func (s *fakeStream) Send(out *transport.Out) error {
	defer out.Body.Free()
	if len(s.refuse) > 0 {
		err := s.refuse[0]
		if s.refuse = s.refuse[1:]; err != nil {
			return err
		}
	}
	if out.Head != nil {
		h := *out.Head
		h.Fields = slices.Clone(h.Fields)
		s.head = &h
	}
	if out.Body != nil {
		s.body = append(s.body, out.Body.B...)
	}
	s.trailers = append(s.trailers, out.Trailers...)
	s.ended = s.ended || out.End
	return nil
}

func (s *fakeStream) ID() uint32                       { return 1 }
func (s *fakeStream) AwaitSend(<-chan struct{}) error  { return nil }
func (s *fakeStream) Consumed(n int)                   { s.consumed += n }
func (s *fakeStream) Want(begin, end int64)            { s.wants = append(s.wants, [2]int64{begin, end}) }
func (s *fakeStream) Reset(code uint32, _ reason.Code) { s.reset = true }
func (s *fakeStream) Release()                         {}
func (s *fakeStream) Conn() *transport.ConnInfo        { return &s.conn }

func (s *fakeStream) field(name string) string {
	if s.head == nil {
		return ""
	}
	return first(s.head.Fields, name)
}

// fakeCalls takes calls: it notes the last one's head and body.
type fakeCalls struct {
	stream transport.ServerStream
	head   *transport.RequestHead
	body   []byte
	ended  bool
	closed bool
	keep   bool // bytes are given back when the test says so
}

func (c *fakeCalls) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	h := *head
	c.stream, c.head, c.ended = s, &h, end
	return c
}

func (c *fakeCalls) Data(p []byte, end bool) {
	c.body = append(c.body, p...)
	c.ended = c.ended || end
	if !c.keep {
		c.stream.Consumed(len(p))
	}
}

func (c *fakeCalls) Trailers([]transport.Field) { c.ended = true }
func (c *fakeCalls) Closed(*transport.Error)    { c.closed = true }

// messages takes the calls' body apart, and reports whether it is whole messages.
func (c *fakeCalls) messages() (all []fakeMessage, whole bool) {
	b := c.body
	for len(b) >= prefixLen {
		n := int(binary.BigEndian.Uint32(b[1:]))
		if len(b)-prefixLen < n {
			return all, false
		}
		all = append(all, fakeMessage{b[0], string(b[prefixLen : prefixLen+n])})
		b = b[prefixLen+n:]
	}
	return all, len(b) == 0
}

type fakeMessage struct {
	flag byte
	text string
}

const testLimit = 1000

func testHandler(o web.Options, shared bool) *Handler {
	return New(o, map[string]Method{
		"/s.S/Unary":  {},
		"/s.S/Get":    {NoSideEffects: true},
		"/s.S/Down":   {ServerStreams: true},
		"/s.S/GetAll": {ServerStreams: true, NoSideEffects: true},
	}, []string{"proto", "json"}, testLimit, shared)
}

func head(method, path string, kv ...string) *transport.RequestHead {
	h := &transport.RequestHead{Method: method, Scheme: "http", Authority: "here.example", Path: path}
	for i := 0; i < len(kv); i += 2 {
		h.Fields = append(h.Fields, transport.Field{Name: kv[i], Value: kv[i+1]})
	}
	return h
}

// ask makes a request with a body in pieces. It returns nil for calls if none was begun.
func ask(t testing.TB, h *Handler, rh *transport.RequestHead, pieces ...string) (*fakeStream, *fakeCalls) {
	t.Helper()
	s, calls := new(fakeStream), new(fakeCalls)
	sink := h.Stream(s, rh, len(pieces) == 0, calls)
	if sink == nil {
		return s, nil
	}
	sent := 0
	for i, p := range pieces {
		sink.Data([]byte(p), i == len(pieces)-1)
		sent += len(p)
	}
	if s.consumed > sent {
		t.Errorf("%d bytes given back of %d", s.consumed, sent)
	}
	if calls.head == nil {
		return s, nil
	}
	return s, calls
}

func buf(p string) *mem.Buf { return bufOf(p) }
