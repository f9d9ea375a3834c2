package inproc

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// recorder is a sink that writes down what it is called with.
type recorder struct {
	mu     sync.Mutex
	events []string
	keep   int // bytes held, not consumed
	stream transport.StreamControl
	hold   bool
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) Head(h *transport.ResponseHead, end bool) { r.add("head %d end=%v", h.Status, end) }
func (r *recorder) Data(p []byte, end bool) {
	r.add("data %q end=%v", p, end)
	if r.stream != nil && !r.hold {
		r.stream.Consumed(len(p))
		return
	}
	r.mu.Lock()
	r.keep += len(p)
	r.mu.Unlock()
}
func (r *recorder) Trailers(f []transport.Field) { r.add("trailers %s", f[0].Value) }
func (r *recorder) Closed(e *transport.Error)    { r.add("closed %s %s", e.Token, originName(e.Origin)) }

func originName(o transport.Origin) string {
	return [...]string{"", "local", "peer", "network", "user"}[o]
}

func (r *recorder) want(t *testing.T, why string, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := strings.Join(r.events, "; "); got != strings.Join(want, "; ") {
		t.Errorf("%s: got %s; want %s", why, got, strings.Join(want, "; "))
	}
	r.events = nil
}

// handler hands every stream to the test.
type handler struct {
	sink   recorder
	stream transport.ServerStream
	path   string
	end    bool
}

func (h *handler) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	h.stream, h.path, h.end = s, head.Path, end
	h.sink.stream = s
	return &h.sink
}

// many hands every stream a sink of its own.
type many struct {
	mu     sync.Mutex
	opened []transport.ServerStream
}

func (m *many) Stream(s transport.ServerStream, _ *transport.RequestHead, _ bool) transport.Sink {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened = append(m.opened, s)
	return &recorder{stream: s}
}

func (m *many) streams() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.opened)
}

func (m *many) last() transport.ServerStream {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.opened[len(m.opened)-1]
}

func buf(s string) *mem.Buf {
	b := mem.Get(len(s))
	b.B = append(b.B, s...)
	return b
}

func open(t *testing.T, c *Conn, sink *recorder, body string, end bool) transport.ClientStream {
	t.Helper()
	var b *mem.Buf
	if body != "" {
		b = buf(body)
	}
	s, err := c.Open(&transport.RequestHead{Method: "POST", Path: "/a/b"}, b, end, sink)
	if err != nil {
		t.Fatal(err)
	}
	sink.stream = s
	return s
}

func TestUnaryExchange(t *testing.T) {
	h := &handler{}
	c := New(h, 0, nil)
	var client recorder
	open(t, c, &client, "question", true)
	h.sink.want(t, "the body and the half-close come in one call", `data "question" end=true`)
	err := h.stream.Send(&transport.Out{
		Head: &transport.ResponseHead{Status: 200}, Body: buf("answer"), End: true,
		Trailers: []transport.Field{{Name: "grpc-status", Value: "0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client.want(t, "one step, in order", "head 200 end=false", `data "answer" end=false`, "trailers 0")
	if open, _ := c.Load(); open != 0 {
		t.Errorf("%d streams open after the response", open)
	}
	if err := h.stream.Send(&transport.Out{End: true}); err == nil {
		t.Error("a second end was accepted")
	}
	h.stream.Reset(2, "late")
	client.want(t, "nothing follows the end")
}

func TestEndOnEachPart(t *testing.T) {
	for _, tt := range []struct {
		out  transport.Out
		want string
	}{
		{transport.Out{Head: &transport.ResponseHead{Status: 404}, End: true}, "head 404 end=true"},
		{transport.Out{Head: &transport.ResponseHead{Status: 200}, Body: buf("x"), End: true}, `head 200 end=false; data "x" end=true`},
		{transport.Out{End: true}, `data "" end=true`},
	} {
		h := &handler{}
		var client recorder
		open(t, New(h, 0, nil), &client, "", true)
		if !h.end {
			t.Error("the handler was not told that there is no body")
		}
		if err := h.stream.Send(&tt.out); err != nil {
			t.Fatal(err)
		}
		client.want(t, "end", tt.want)
	}
}

func TestResets(t *testing.T) {
	h := &handler{}
	c := New(h, 0, nil)
	var client recorder
	cs := open(t, c, &client, "", false)
	cs.Reset(8, "canceled")
	cs.Reset(8, "canceled")
	h.sink.want(t, "the handler is told once", "closed canceled peer")
	client.want(t, "who resets is not told")
	if cs.Send(buf("x"), false) == nil {
		t.Error("Send after Reset was accepted")
	}

	cs = open(t, c, &client, "q", true)
	h.sink.want(t, "the request", `data "q" end=true`)
	cs.Reset(8, "canceled")
	h.sink.want(t, "a reset reaches a handler whose request is complete", "closed canceled peer")

	open(t, c, &client, "", false)
	h.stream.Reset(7, "refused")
	client.want(t, "a refused stream", "closed refused peer")
	if open, _ := c.Load(); open != 0 {
		t.Errorf("%d streams open", open)
	}
}

func TestSenderWaitsForReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &handler{}
		h.sink.hold = true
		c := New(h, 0, nil)
		var client recorder
		cs := open(t, c, &client, "", false)
		h.stream.Conn()
		block := strings.Repeat("x", highWater+1)
		if err := cs.AwaitSend(nil); err != nil {
			t.Fatalf("an empty stream: %v", err)
		}
		if err := cs.Send(buf(block), false); err != nil {
			t.Fatal(err)
		}
		closed := make(chan struct{})
		close(closed)
		if err := cs.AwaitSend(closed); err != transport.ErrAwaitDone {
			t.Fatalf("AwaitSend with a closed channel on a full stream: %v", err)
		}
		waited := make(chan error, 1)
		go func() { waited <- cs.AwaitSend(nil) }()
		synctest.Wait()
		h.stream.Consumed(10)
		synctest.Wait()
		select {
		case err := <-waited:
			t.Fatalf("went on at %d bytes: %v", len(block)-10, err)
		default:
		}
		h.stream.Consumed(len(block) - 10)
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		go func() { waited <- cs.AwaitSend(nil) }()
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		if err := cs.Send(buf(block), false); err != nil {
			t.Fatal(err)
		}
		go func() { waited <- cs.AwaitSend(nil) }()
		synctest.Wait()
		h.stream.Reset(2, "enough")
		if err := <-waited; err == nil {
			t.Fatal("AwaitSend ended well on a stream that was reset")
		}
		h.stream.Consumed(len(block))
	})
}

func TestStreamLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &handler{}
		c := New(h, 1, nil)
		var client recorder
		cs := open(t, c, &client, "", false)
		if _, err := c.Open(&transport.RequestHead{}, buf("x"), true, &client); err != transport.ErrStreamLimit {
			t.Fatalf("Open at the limit: %v", err)
		}
		waited := make(chan error, 1)
		go func() { waited <- c.AwaitSlot(nil) }()
		synctest.Wait()
		cs.Reset(8, "canceled")
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
		open(t, c, &client, "", false)
		done := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(done) })
		if err := c.AwaitSlot(done); err != transport.ErrAwaitDone {
			t.Fatalf("AwaitSlot: %v, want ErrAwaitDone", err)
		}
		c.Close(nil)
	})
}

func TestDrainAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &handler{}
		told := make(chan struct{})
		c := New(h, 0, func() { close(told) })
		var client recorder
		open(t, c, &client, "", true)
		c.Drain("going home")
		<-c.Info().Draining
		_, err := c.Open(&transport.RequestHead{}, nil, true, &client)
		te, ok := err.(*transport.Error)
		if !ok || !te.Unprocessed || !strings.Contains(te.Error(), "going home") {
			t.Fatalf("Open while draining: %v", err)
		}
		select {
		case <-c.Done():
			t.Fatal("gone with a stream open")
		default:
		}
		if err := h.stream.Send(&transport.Out{Head: &transport.ResponseHead{Status: 200}, End: true}); err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		<-told

		c = New(h, 0, nil)
		client.events, h.sink.events = nil, nil
		open(t, c, &client, "", false)
		c.Close(nil)
		client.want(t, "both ends are told", "closed closed user")
		h.sink.want(t, "both ends are told", "closed closed user")
		if c.Err() == nil {
			t.Error("no reason after Close")
		}
		c.Close(nil)
	})
}

// What several goroutines send arrives one by one and complete.
func TestConcurrentSends(t *testing.T) {
	h := &handler{}
	c := New(h, 0, nil)
	var client recorder
	cs := open(t, c, &client, "", false)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if err := cs.Send(buf("m"), false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	if len(h.sink.events) != 800 {
		t.Errorf("%d of 800 messages arrived", len(h.sink.events))
	}
}

// Close beside Open: the stream is closed on both sides or never opened, and the handler hears of
// the connection's end last.
func TestCloseBesideOpen(t *testing.T) {
	for range 500 {
		var told sync.Map
		ended := make(chan struct{})
		h := new(many)
		c := New(h, 0, func() {
			told.Store("end", h.streams())
			close(ended)
		})
		var wg sync.WaitGroup
		sinks := make([]*recorder, 4)
		opened := make([]bool, len(sinks))
		for i := range sinks {
			sinks[i] = &recorder{}
			wg.Go(func() {
				_, err := c.Open(&transport.RequestHead{}, buf("x"), false, sinks[i])
				opened[i] = err == nil
			})
		}
		wg.Go(func() { c.Close(nil) })
		wg.Wait()
		<-ended
		n := 0
		for i, s := range sinks {
			if opened[i] {
				n++
				s.want(t, "opened before Close", "closed closed user")
			} else {
				s.want(t, "not opened")
			}
		}
		if at, _ := told.Load("end"); at != n {
			t.Fatalf("the end was told after %v of %d streams", at, n)
		}
	}
}

// slowHandler takes its time with each stream.
type slowHandler struct {
	many
	enter, leave chan struct{}
}

func (h *slowHandler) Stream(s transport.ServerStream, head *transport.RequestHead, end bool) transport.Sink {
	close(h.enter)
	<-h.leave
	return h.many.Stream(s, head, end)
}

// A connection that is closed while the handler is told of a stream has ended when it has been
// told: nothing comes after the end.
func TestTheEndIsToldLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &slowHandler{enter: make(chan struct{}), leave: make(chan struct{})}
		ended := false
		c := New(h, 0, func() { ended = true })
		go func() { _, _ = c.Open(&transport.RequestHead{}, buf("x"), false, &recorder{}) }()
		<-h.enter
		c.Close(nil)
		synctest.Wait()
		if ended {
			t.Error("the connection's end was told before a stream of it")
		}
		close(h.leave)
		synctest.Wait()
		if !ended || h.streams() != 1 {
			t.Errorf("ended: %t, streams: %d; want true and 1", ended, h.streams())
		}
	})
}
