package naru_test

import (
	"bytes"
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/status"
)

// heldCompressor is a compressor whose messages are expanded when hold lets them.
type heldCompressor struct{ hold chan struct{} }

func (heldCompressor) Name() string { return "held" }

func (heldCompressor) Compress(dst, src []byte) ([]byte, error) {
	return append(dst, bytes.TrimRight(src, "x")...), nil // smaller, so that it is used
}

func (c heldCompressor) Decompress(dst, src []byte, _ int) ([]byte, error) {
	<-c.hold
	return append(dst, src...), nil
}

// Clients that send compressed messages and go: what waits to be expanded leaves with them, by a
// lost connection as by a deadline, and the next client finds nobody before it.
func TestCompressedCallsLeaveWithTheirClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		held := naru.WithCompressors(encoding.Gzip(), heldCompressor{hold})
		c := newCluster(t, "backend")
		c.bs[0].opts = []naru.ServerOption{held}
		c.up()
		srv := c.bs[0].srv
		slots := max(1, runtime.GOMAXPROCS(0)-1)
		text1000 := str(strings.Repeat("x", 1000))
		rude := c.dial("passthrough:///backend", held, naru.WithConnectionScaling(1))
		patient := c.dial("passthrough:///backend", held)
		for range 200 {
			go func() {
				_ = rude.Invoke(context.Background(), methodUnary, text1000, new(text), naru.WithCompression("held"))
			}()
		}
		synctest.Wait()
		if n := srv.OpenCalls(); n != 200 {
			t.Errorf("%d calls open, want 200", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := patient.Invoke(ctx, methodUnary, text1000, new(text), naru.WithCompression("held"))
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("a call that waits: %v", err)
		}
		_ = rude.Close()
		synctest.Wait()
		if n := srv.OpenCalls(); n > slots {
			t.Errorf("%d calls open after their clients have gone, want the %d being expanded at most", n, slots)
		}
		close(hold)
		if err := patient.Invoke(t.Context(), methodUnary, text1000, new(text), naru.WithCompression("gzip")); err != nil {
			t.Error(err)
		}
		_ = patient.Close()
		c.bs[0].drain()
	})
}
