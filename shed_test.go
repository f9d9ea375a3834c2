package naru_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/limits"
)

// A server at its limit of memory ends the call whose bytes move most slowly, says when to come
// back, and logs who it was. Just below the limit nothing ends.
func TestServerMemoryShedsWithPushback(t *testing.T) {
	for _, tt := range []struct {
		name  string
		bytes int // of the second call's 16,000-byte frames
		shed  bool
	}{{"below", 1, false}, {"above", 5, true}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log syncBuffer
				c := script(t, &echo{unary: func(_ context.Context, m *text) (*text, error) { return m, nil }}, nil,
					naru.WithLimits(limits.Limits{ServerMemory: 100_000}), naru.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				part := func(id uint32, first bool) {
					b := []byte(strings.Repeat("x", 16_000))
					if first {
						copy(b, wireText(strings.Repeat("x", 200_000))[:10])
					}
					c.write(frame.AppendData(nil, id, false, b))
				}
				for _, id := range []uint32{1, 3} {
					c.head(id, methodUnary.FullMethod, false)
					if id == 3 {
						time.Sleep(10 * time.Second) // the first is slow now
					}
					n := 2
					if id == 3 {
						n = tt.bytes
					}
					for i := range n {
						part(id, i == 0)
					}
				}
				time.Sleep(10 * time.Millisecond)
				r := c.responses()[1]
				if !tt.shed {
					if r != nil && r.end || c.responses()[3] != nil && c.responses()[3].end {
						t.Fatalf("a call ended below the limit: %+v", r)
					}
					return
				}
				if r == nil || r.field("grpc-status") != "8" || !strings.Contains(r.field("grpc-message"), "Limits.ServerMemory") {
					t.Fatalf("the slow call: %+v", r)
				}
				if ms := r.field("grpc-retry-pushback-ms"); len(ms) != 4 || ms[0] != '1' {
					t.Errorf("pushback %q, want 1000 to 1999", ms)
				}
				details, err := base64.RawStdEncoding.DecodeString(r.field("grpc-status-details-bin"))
				if err != nil || !strings.Contains(string(details), "google.rpc.RetryInfo") {
					t.Errorf("details %q, %v", details, err)
				}
				if !strings.Contains(log.String(), "reason=server_memory peer=") {
					t.Errorf("log: %s", log.String())
				}
			})
		})
	}
}

// Complete requests that wait for their turn, or for a handler that does not receive them, hold
// memory like others: at the limit the slowest end, their handlers' contexts too, and the others
// are served.
func TestServerMemoryShedsWhatWaits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
	}{{"for their turn", methodUnary.FullMethod}, {"for their handlers", methodBidi.FullMethod}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				e := &echo{
					unary: func(context.Context, *text) (*text, error) { <-free; return str("ok"), nil },
					bidi: func(s naru.BidiStreamingServer[text, text]) error {
						select {
						case <-free:
							return nil
						case <-s.Context().Done():
							return s.Context().Err()
						}
					},
				}
				limits := limits.Limits{ServerMemory: 100_000}
				if tt.method == methodUnary.FullMethod {
					limits.Handlers = 1
				}
				c := script(t, e, nil, naru.WithLimits(limits))
				c.call(1, methodUnary.FullMethod, "takes the one place")
				const n, size = 20, 12_000
				for i := range uint32(n) {
					c.call(3+2*i, tt.method, strings.Repeat("x", size))
					time.Sleep(time.Second)
				}
				close(free)
				time.Sleep(time.Second)
				var served, shed int
				for id := uint32(3); id < 3+2*n; id += 2 {
					switch r := c.responses()[id]; {
					case r != nil && r.field("grpc-status") == "0":
						served++
					case r != nil && r.field("grpc-status") == "8" && strings.Contains(r.field("grpc-message"), "Limits.ServerMemory"):
						shed++
						if r.field("grpc-retry-pushback-ms") == "" {
							t.Errorf("stream %d: no pushback", id)
						}
					default:
						t.Errorf("stream %d: %+v", id, r)
					}
				}
				if most := limits.ServerMemory / size; served > most || served < most/2 || shed != n-served {
					t.Errorf("%d calls were served and %d shed, want %d to %d, and the others", served, shed, most/2, most)
				}
			})
		})
	}
}
