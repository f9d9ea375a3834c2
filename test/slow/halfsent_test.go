package slow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/test/internal/held"
	"github.com/naru-rpc/naru/test/internal/honest"
)

var halfSent = flag.Int("halfsent", 800, "connections that each send 100 KB of a message of 4 MiB and no more")

// TestHalfSent holds a server to the formula of docs/memory.md: connections together send more than
// the server may hold, none of it whole. What is held stays below the limit, slow ones end, and an
// honest client is served beside them and after them. grpc-go's server, beside which it is
// measured, has no limit but its windows.
func TestHalfSent(t *testing.T) {
	terms := held.Defaults()
	srv, err := naru.NewServer(honest.Quiet, naru.WithLimits(limits.Limits{ServerMemory: int(terms.ServerMemory)}))
	if err != nil {
		t.Fatal(err)
	}
	h := &halfSenders{}
	got := []*honest.Outcome{h.beside(t, honest.Serve(t, srv))}
	bound := terms.Memory(held.Peers{Conns: int64(*halfSent), Streams: 1, Sent: halfPart})
	if h.grown > bound {
		t.Errorf("heap grew by %d bytes, want at most %d", h.grown, bound)
	}
	if n := srv.Stats().Ended["server_memory"]; h.sent.Load() > terms.ServerMemory && n == 0 {
		t.Errorf("%d bytes were sent and no call ended, with a limit of %d", h.sent.Load(), terms.ServerMemory)
	}
	if *beside == 0 {
		if got[0].Failed > 0 || got[0].Calls() == 0 {
			t.Errorf("%d honest calls were made, %d failed: %v", got[0].Calls(), got[0].Failed, got[0].Err)
		}
		return
	}
	got = append(got, new(halfSenders).beside(t, honest.Stacks[1].Start(t)))
	honest.Bounds(t, got[0], got[1])
	name := fmt.Sprintf("%d connections, 100 KB of a message of 4 MiB on each", *halfSent)
	t.Logf("p50 and p99 in ms, naru / grpc-go\n%s%s", honest.Header("beside"), honest.Row(name, got))
}

// halfPart is what each connection sends.
const halfPart = 100_000

// halfSenders are connections that each begin a message.
type halfSenders struct {
	conns []net.Conn
	sent  atomic.Int64
	grown int64 // bytes, the heap of both ends, while they were there
}

func (h *halfSenders) beside(t *testing.T, addr string) *honest.Outcome {
	client := dial(t, addr)
	before := heap()
	o := honest.Measure(client, max(*beside, 300*time.Millisecond), func() (end func()) {
		var wg sync.WaitGroup
		wg.Go(func() { h.begin(t, addr) })
		return func() {
			wg.Wait()
			h.grown = heap() - before
			for _, nc := range h.conns {
				if nc != nil {
					nc.Close()
				}
			}
		}
	})
	t.Logf("%d connections sent %d MB: heap of both ends +%d MB", len(h.conns), h.sent.Load()>>20, h.grown>>20)
	return o
}

func (h *halfSenders) begin(t *testing.T, addr string) {
	h.conns = make([]net.Conn, *halfSent)
	var wg sync.WaitGroup
	limitDials := make(chan struct{}, 32) // capacity: how many begin at a time
	for i := range h.conns {
		limitDials <- struct{}{}
		wg.Go(func() {
			defer func() { <-limitDials }()
			nc, n, err := sendHalf(addr, halfPart)
			h.sent.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
			h.conns[i] = nc
		})
	}
	wg.Wait()
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// sendHalf opens a connection and sends n bytes of a message that claims to be 4 MiB long, within
// the windows.
func sendHalf(addr string, n int) (net.Conn, int, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, 0, err
	}
	if _, err := nc.Write([]byte(http2.ClientPreface)); err != nil {
		return nc, 0, err
	}
	fr := http2.NewFramer(nc, nc)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/naru.bench.v1.Echo/Unary"}, {":authority", "x"},
		{"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return nc, 0, err
		}
	}
	err = errors.Join(fr.WriteSettings(), fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}))
	if err != nil {
		return nc, 0, err
	}
	first := make([]byte, 1<<14)
	binary.BigEndian.PutUint32(first[1:], 4<<20-100)
	sent, window := 0, 65535
	for sent < n {
		if window < 1<<14 {
			f, err := fr.ReadFrame()
			if err != nil {
				return nc, sent, err
			}
			switch f := f.(type) {
			case *http2.WindowUpdateFrame:
				if f.StreamID == 1 {
					window += int(f.Increment)
				}
			case *http2.RSTStreamFrame, *http2.HeadersFrame:
				return nc, sent, nil // it was ended: one of the slowest
			}
			continue
		}
		k := min(n-sent, 1<<14)
		if err := fr.WriteData(1, false, first[:k]); err != nil {
			return nc, sent, err
		}
		clear(first)
		sent, window = sent+k, window-k
	}
	return nc, sent, nil
}
