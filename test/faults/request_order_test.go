package faults

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// A request is the frames of a client's side in the order in which they come.
type request struct {
	order  string // H, D: HEADERS and DATA with END_STREAM on stream 1, h, d on stream 3; R: RST_STREAM of stream 1; G: GOAWAY
	code   frame.ErrCode
	stream bool // to the bidi method
	apart  bool // each frame is processed before the next one comes
}

func (q request) String() string {
	return fmt.Sprintf("%s, RST_STREAM(%v), stream %t, apart %t", q.order, q.code, q.stream, q.apart)
}

// TestRequestsInEveryOrder delivers the requests of two calls with RST_STREAM and GOAWAY at every
// place. A call runs at most once; one that is complete and was not reset is answered once, also
// behind GOAWAY; the connection survives, unless the order is an error of the connection by RFC
// 9113.
func TestRequestsInEveryOrder(t *testing.T) {
	codes := []frame.ErrCode{frame.Cancel, frame.RefusedStream, frame.NoError}
	ended := make(map[string]int)
	for _, order := range interleavings("HD", "hd", "R", "G") {
		for i := range 12 {
			q := request{order, codes[i%3], i/3%2 == 1, i/6 == 1}
			synctest.Test(t, func(t *testing.T) { q.test(t, ended) })
			if t.Failed() {
				t.Fatalf("stopped after: %v", q)
			}
		}
	}
	t.Logf("connections ended by: %v", ended)
	for _, rule := range []string{"headers_closed", "reset_idle", "data_closed"} {
		if ended[rule] == 0 {
			t.Errorf("no order broke the rule %s", rule)
		}
	}
}

// fate is what has to become of the connection and of its calls.
type fate struct {
	rule     string  // that ends the connection; empty: none
	complete [2]bool // the request came whole, in good time
	reset    bool    // the first call was reset, maybe after its end
}

func (q request) fate() (f fate) {
	var begun [2]bool
	for _, c := range q.order {
		switch {
		case c == 'H' && begun[1]:
			f.rule = "headers_closed" // §5.1.1: stream ids only grow
		case c == 'H':
			begun[0] = true
		case c == 'h':
			begun[1] = true
		case c == 'R' && !begun[0] && !begun[1]:
			f.rule = "reset_idle" // §6.4
		case c == 'R':
			f.reset = true
		case c == 'D' && f.reset:
			f.rule = "data_closed" // §5.1: the stream was closed by RST_STREAM
		case c == 'D':
			f.complete[0] = true
		case c == 'd':
			f.complete[1] = true
		}
		if f.rule != "" {
			return f
		}
	}
	return f
}

func (q request) test(t *testing.T, ended map[string]int) {
	srv, err := naru.NewServer(naru.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	runs := &runs{n: make(map[int64]int)}
	benchpbnaru.RegisterEchoServer(srv, runs)
	network := &memnet.Network{}
	lis, err := network.Listen("server")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- srv.Serve(lis) }()
	nc, err := network.Dial(t.Context(), "server")
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{nc: nc, enc: hpack.NewEncoder(4096), gone: make(chan struct{}), answers: make(map[uint32]int), resets: make(map[uint32]int)}
	go c.read()
	c.send(q)
	synctest.Wait()
	_, _ = nc.Write(frame.AppendPing(nil, false, [8]byte{1}))
	synctest.Wait()
	if n := srv.OpenCalls(); n != 0 {
		t.Errorf("%v: %d calls are open, want none", q, n)
	}
	q.judge(t, c, runs)
	for rule := range srv.Stats().Ended {
		ended[rule]++
	}
	if rule := q.fate().rule; rule != "" && srv.Stats().Ended[rule] != 1 {
		t.Errorf("%v: the connection ended by %v, want %s", q, srv.Stats().Ended, rule)
	}
	_ = nc.Close()
	<-c.gone
	_ = srv.Close()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// judge compares what came back with what had to.
func (q request) judge(t *testing.T, c *caller, r *runs) {
	t.Helper()
	f := q.fate()
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range 2 {
		id, ran := uint32(1+2*i), r.count(int64(1+2*i))
		answered := c.answers[id]
		if ran > 1 || answered > 1 {
			t.Errorf("%v: call %d ran %d times and was answered %d times", q, i+1, ran, answered)
		}
		if !f.complete[i] && !q.stream && (ran > 0 || answered > 0) {
			t.Errorf("%v: call %d, whose request is not complete, ran %d times and was answered %d times", q, i+1, ran, answered)
		}
		// In one batch the end that follows overtakes the answer.
		unhurt := f.complete[i] && f.rule == "" && (i == 1 || !f.reset)
		if unhurt && (ran != 1 || answered != 1 || c.resets[id] > 0) {
			t.Errorf("%v: call %d ran %d times, was answered %d times and reset %d times, want one answer", q, i+1, ran, answered, c.resets[id])
		}
	}
	if f.rule == "" && !c.ponged && !c.ended {
		t.Errorf("%v: the connection is open and does not answer", q)
	}
	if f.rule != "" && !c.ended {
		t.Errorf("%v: the connection is open, want it closed by rule %s", q, f.rule)
	}
}

// caller is the client's side.
type caller struct {
	// immutable
	nc   net.Conn
	enc  *hpack.Encoder
	gone chan struct{} // closed when the connection has ended

	mu      sync.Mutex
	answers map[uint32]int // ends of responses by stream; guarded by mu
	resets  map[uint32]int // guarded by mu
	ponged  bool           // guarded by mu
	ended   bool           // guarded by mu
}

// send writes the frames of q.
func (c *caller) send(q request) {
	out := append([]byte(nil), h2.Preface...)
	out = frame.AppendSettings(frame.AppendSettings(out, false), true)
	for _, f := range q.order {
		switch f {
		case 'H', 'h':
			out = c.head(out, idOf(f), q.stream)
		case 'D', 'd':
			m, _ := proto.Marshal(&benchpb.Message{Id: int64(idOf(f))}) // never fails: no strings
			out = frame.AppendData(out, idOf(f), true, append([]byte{0, 0, 0, 0, byte(len(m))}, m...))
		case 'R':
			out = frame.AppendRSTStream(out, 1, q.code)
		case 'G':
			out = frame.AppendGoAway(out, 0, frame.NoError, "")
		}
		if q.apart {
			_, _ = c.nc.Write(out) // the other end may have closed: judge sees it
			out = nil
			synctest.Wait()
		}
	}
	_, _ = c.nc.Write(out)
}

func idOf(f rune) uint32 {
	if f >= 'a' {
		return 3
	}
	return 1
}

func (c *caller) head(out []byte, id uint32, stream bool) []byte {
	path := benchpbnaru.Echo_Unary_FullMethodName
	if stream {
		path = benchpbnaru.Echo_Bidi_FullMethodName
	}
	block := c.enc.BeginBlock(nil)
	for _, f := range []hpack.Field{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: path}, {Name: ":authority", Value: "server"},
		{Name: "te", Value: "trailers"}, {Name: "content-type", Value: "application/grpc"},
	} {
		block = c.enc.AppendField(block, f, true)
	}
	return frame.AppendHeaders(out, id, false, frame.MinMaxFrameSize, block)
}

// read takes what comes until the end.
func (c *caller) read() {
	defer close(c.gone)
	for {
		h, _, err := readFrame(c.nc)
		c.mu.Lock()
		switch {
		case err != nil:
			c.ended = true
			c.mu.Unlock()
			return
		case h.Type == frame.TypeRSTStream:
			c.resets[h.StreamID]++
		case h.Type == frame.TypePing && h.Flags&frame.FlagAck != 0:
			c.ponged = true
		case h.Type == frame.TypeHeaders && h.Flags&frame.FlagEndStream != 0:
			c.answers[h.StreamID]++
		}
		c.mu.Unlock()
	}
}

// runs counts how often each call ran.
type runs struct {
	benchpbnaru.UnimplementedEchoServer
	mu sync.Mutex
	n  map[int64]int // guarded by mu
}

func (r *runs) add(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n[id]++
}

func (r *runs) count(id int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[id]
}

func (r *runs) Unary(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	r.add(m.GetId())
	return m, nil
}

func (r *runs) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	m, err := s.Recv()
	if err != nil {
		return err
	}
	r.add(m.GetId())
	return s.Send(m)
}
