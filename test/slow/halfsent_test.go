package slow

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

var halfSent = flag.Int("halfsent", 800, "connections that each send 100 KB of a message of 4 MiB and no more")

// TestHalfSent drives the formula of docs/memory.md: connections that together send more than the server may hold,
// none of it whole. What is held stays below the limit, slow ones end, and an honest client is served beside them.
func TestHalfSent(t *testing.T) {
	const (
		limit = 64 << 20
		part  = 100_000
	)
	srv, err := naru.NewServer(quiet, naru.WithLimits(naru.Limits{ServerMemory: limit}))
	if err != nil {
		t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(srv, naruEcho{})
	addr := serve(t, srv.Serve, func() { _ = srv.Close() })
	honest := dial(t, addr)
	before := heap()
	var sent atomic.Int64
	conns := make([]net.Conn, *halfSent)
	var wg sync.WaitGroup
	limitDials := make(chan struct{}, 32) // capacity: how many begin at a time
	for i := range conns {
		limitDials <- struct{}{}
		wg.Go(func() {
			defer func() { <-limitDials }()
			nc, n, err := sendHalf(addr, part)
			sent.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
			conns[i] = nc
		})
	}
	var got result
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for end := time.Now().Add(*beside); ; {
		ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
		start := time.Now()
		if _, err := honest.Unary(ctx, upload); err != nil {
			got.errs = append(got.errs, err)
		}
		stop()
		got.took = append(got.took, time.Since(start))
		select {
		case <-done:
			if time.Now().After(end) {
				done = nil
			}
		default:
		}
		if done == nil {
			break
		}
	}
	grown := heap() - before
	bound := int64(limit)*5/4 + int64(*halfSent)*(64<<10+256<<10) + 32<<20
	t.Logf("%d connections sent %d MB: heap of both ends +%d MB, honest uploads p50 %v p99 %v, ended %v", *halfSent, sent.Load()>>20, grown>>20,
		got.quantile(0.5), got.quantile(0.99), srv.Stats().Ended)
	if grown > bound {
		t.Errorf("heap grew by %d bytes, want at most %d", grown, bound)
	}
	if len(got.errs) > 0 {
		t.Errorf("%d of %d honest calls failed: %v", len(got.errs), len(got.took), got.errs[0])
	}
	if n := srv.Stats().Ended["server_memory"]; sent.Load() > limit && n == 0 {
		t.Errorf("%d bytes were sent and no call ended, with a limit of %d", sent.Load(), limit)
	}
	for _, nc := range conns {
		if nc != nil {
			nc.Close()
		}
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// sendHalf opens a connection and sends n bytes of a message that claims to be 4 MiB long, within the windows.
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
