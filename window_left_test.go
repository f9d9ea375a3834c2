package naru_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/stub"
)

// nghttpServer answers every call as servers on nghttp2 do (Node, and so grpc-js): messages within
// its windows, and the end of the stream only while the stream's window is above 0, although RFC
// 9113 §6.9.1 does not require that.
type nghttpServer struct {
	nc    net.Conn
	body  []byte        // of every response
	later time.Duration // between the body and the trailers

	mu sync.Mutex
	// guarded by mu
	enc        *hpack.Encoder
	first      int64 // window of new streams
	connWindow int64
	streams    map[uint32]*nghttpStream
	out        []byte
}

type nghttpStream struct {
	window int64
	left   []byte // of the body
	begun  bool
	over   bool // the trailers may be sent
	ended  bool
}

func (s *nghttpServer) serve() {
	defer s.nc.Close()
	if _, err := io.ReadFull(s.nc, make([]byte, len(h2.Preface))); err != nil {
		return
	}
	s.out = frame.AppendSettings(nil, false)
	head := make([]byte, frame.HeaderLen)
	for s.flush() {
		if _, err := io.ReadFull(s.nc, head); err != nil {
			return
		}
		h := frame.ParseHeader(head)
		p := make([]byte, h.Length)
		if _, err := io.ReadFull(s.nc, p); err != nil {
			return
		}
		s.mu.Lock()
		s.frame(h, p)
		s.mu.Unlock()
	}
}

func (s *nghttpServer) flush() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.out
	s.out = nil
	_, err := s.nc.Write(out)
	return err == nil
}

func (s *nghttpServer) frame(h frame.Header, p []byte) {
	switch h.Type {
	case frame.TypeSettings:
		if h.Flags.Has(frame.FlagAck) {
			return
		}
		st := frame.Settings(p)
		for i := range st.Len() {
			if st.At(i).ID == frame.SettingInitialWindowSize {
				s.first = int64(st.At(i).Value)
			}
		}
		s.out = frame.AppendSettings(s.out, true)
	case frame.TypePing:
		if !h.Flags.Has(frame.FlagAck) {
			s.out = frame.AppendPing(s.out, true, frame.ParsePing(p))
		}
	case frame.TypeWindowUpdate:
		n, _ := frame.ParseWindowUpdate(h, p)
		if h.StreamID == 0 {
			s.connWindow += int64(n)
		} else if st := s.streams[h.StreamID]; st != nil {
			st.window += int64(n)
		}
		for id, st := range s.streams {
			s.send(id, st)
		}
	case frame.TypeHeaders:
		s.streams[h.StreamID] = &nghttpStream{window: s.first}
	}
	if h.Flags.Has(frame.FlagEndStream) && (h.Type == frame.TypeData || h.Type == frame.TypeHeaders) {
		s.answer(h.StreamID, s.streams[h.StreamID])
	}
}

func (s *nghttpServer) section(id uint32, end bool, kv ...string) {
	b := s.enc.BeginBlock(nil)
	for i := 0; i < len(kv); i += 2 {
		b = s.enc.AppendField(b, hpack.Field{Name: kv[i], Value: kv[i+1]}, false)
	}
	s.out = frame.AppendHeaders(s.out, id, end, frame.MinMaxFrameSize, b)
}

func (s *nghttpServer) answer(id uint32, st *nghttpStream) {
	s.section(id, false, ":status", "200", "content-type", "application/grpc")
	st.begun, st.left = true, s.body
	s.send(id, st)
}

// send sends what the windows permit.
func (s *nghttpServer) send(id uint32, st *nghttpStream) {
	if !st.begun || st.ended {
		return
	}
	for len(st.left) > 0 {
		n := min(int64(len(st.left)), 1<<14, st.window, s.connWindow)
		if n <= 0 {
			return
		}
		s.out = frame.AppendData(s.out, id, false, st.left[:n])
		st.left = st.left[n:]
		st.window -= n
		s.connWindow -= n
		if len(st.left) == 0 {
			time.AfterFunc(s.later, func() {
				s.mu.Lock()
				st.over = true
				s.send(id, st)
				s.mu.Unlock()
				s.flush()
			})
		}
	}
	if st.over && st.window > 0 {
		st.ended = true
		s.section(id, true, "grpc-status", "0")
	}
}

// TestResponsesFromNghttp2: whatever the size of a response, its end comes from a server that sends
// it only while the stream has window.
func TestResponsesFromNghttp2(t *testing.T) {
	sizes := []int{1, 16_000, 1<<16 - 5, 1 << 16, 66_547, 70_000, 80<<10 - 5, 80 << 10, 80<<10 + 1, 100_000, 1 << 20, 20 << 20}
	for d := -30; d <= 30; d += 3 {
		sizes = append(sizes, 1<<16+d, 80<<10+d)
	}
	for _, size := range sizes {
		for _, messages := range []int{1, 3} {
			for _, later := range []time.Duration{0, 300 * time.Millisecond} {
				t.Run(fmt.Sprintf("%dx%d after %v", messages, size, later), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { fromNghttp2(t, size, messages, later) })
				})
			}
		}
	}
}

func fromNghttp2(t *testing.T, size, messages int, later time.Duration) {
	body := []byte(strings.Repeat(string(wireText(strings.Repeat("d", size))), messages))
	ended := make(chan struct{}) // capacity 0; closed when the server's connection has ended
	client, err := naru.NewClient("passthrough:///a:1", naru.WithPlaintext(), naru.WithLogger(quiet), naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 32 << 20}),
		naru.WithDialer(func(context.Context, string, string) (net.Conn, error) {
			near, far := memnet.Pipe(1 << 20)
			s := &nghttpServer{nc: far, body: body, later: later, enc: hpack.NewEncoder(4096), connWindow: 65535, first: 65535, streams: map[uint32]*nghttpStream{}}
			go func() {
				defer close(ended)
				s.serve()
			}()
			return near, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if messages == 1 {
		res := new(text)
		if err := client.Invoke(ctx, methodUnary, str("x"), res); err != nil || len(res.Value) != size {
			t.Errorf("%d bytes, %v", len(res.Value), err)
		}
	} else {
		got, err := receiveAll(ctx, client)
		if err != nil || got != messages*size {
			t.Errorf("%d bytes, %v", got, err)
		}
	}
	_ = client.Close()
	<-ended
}

func receiveAll(ctx context.Context, client *naru.Client) (n int, err error) {
	s, err := stub.NewServerStreamingClient[text](ctx, client, methodServer, str("x"))
	if err != nil {
		return 0, err
	}
	for m, err := range s.All() {
		if err != nil {
			return n, err
		}
		n += len(m.Value)
	}
	return n, nil
}
