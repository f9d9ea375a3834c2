package naru_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// A response whose header section is larger than the client accepts (RFC 9113 §6.5.2) ends at once,
// whatever that limit is: with as much of the status as fits, and with RST_STREAM if nothing does.

// large are handlers by the name of what they make large; n is its size.
var large = map[string]func(n int) *echo{
	"details": func(n int) *echo {
		return failing(func() error {
			s, err := status.New(codes.InvalidArgument, "bad request").WithDetails(str(strings.Repeat("d", n)))
			if err != nil {
				return err
			}
			return s.Err()
		})
	},
	"message": func(n int) *echo {
		return failing(func() error { return status.Error(codes.InvalidArgument, strings.Repeat("ж", n/2)) })
	},
	"trailer of OK": func(n int) *echo {
		return &echo{
			unary: func(ctx context.Context, m *text) (*text, error) {
				return m, naru.SetTrailer(ctx, metadata.Pairs("big", strings.Repeat("t", n)))
			},
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				s.SetTrailer(metadata.Pairs("big", strings.Repeat("t", n)))
				return s.Send(str("first"))
			},
		}
	},
	"trailer of an error": func(n int) *echo {
		return &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			if err := naru.SetTrailer(ctx, metadata.Pairs("big", strings.Repeat("t", n))); err != nil {
				return nil, err
			}
			return nil, status.Error(codes.InvalidArgument, "bad request")
		}, bidi: func(s naru.BidiStreamingServer[text, text]) error {
			s.SetTrailer(metadata.Pairs("big", strings.Repeat("t", n)))
			return status.Error(codes.InvalidArgument, "bad request")
		}}
	},
	"header of OK": func(n int) *echo {
		return &echo{
			unary: func(ctx context.Context, m *text) (*text, error) {
				return m, naru.SetHeader(ctx, metadata.Pairs("big", strings.Repeat("h", n)))
			},
			// This one does not look at what Send returns.
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				if err := s.SetHeader(metadata.Pairs("big", strings.Repeat("h", n))); err != nil {
					return err
				}
				for range 3 {
					_ = s.Send(str("x"))
				}
				return nil
			},
		}
	},
	"header of an error": func(n int) *echo {
		return &echo{unary: func(ctx context.Context, m *text) (*text, error) {
			if err := naru.SetHeader(ctx, metadata.Pairs("big", strings.Repeat("h", n))); err != nil {
				return nil, err
			}
			return nil, status.Error(codes.InvalidArgument, "bad request")
		}, bidi: func(s naru.BidiStreamingServer[text, text]) error {
			if err := s.SetHeader(metadata.Pairs("big", strings.Repeat("h", n))); err != nil {
				return err
			}
			return status.Error(codes.InvalidArgument, "bad request")
		}}
	},
}

func failing(err func() error) *echo {
	return &echo{
		unary: func(context.Context, *text) (*text, error) { return nil, err() },
		bidi:  func(naru.BidiStreamingServer[text, text]) error { return err() },
	}
}

func TestResponsesLargerThanTheClientAcceptsEnd(t *testing.T) {
	for name, handlers := range large {
		for _, method := range []string{methodUnary.FullMethod, methodBidi.FullMethod} {
			for _, limit := range []uint32{0, 1, 100, 150, 200, 1000, 8 << 10, 16 << 10, math.MaxUint32} {
				for _, n := range []int{0, 1 << 10, 6 << 10, 8 << 10, 15 << 10, 20 << 10, 64 << 10} {
					t.Run(fmt.Sprintf("%s/%s/%d of %d", name, method[len("/test.Echo/"):], n, limit), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { oneLargeResponse(t, handlers(n), name, method, limit, n) })
					})
				}
			}
		}
	}
}

func oneLargeResponse(t *testing.T, e *echo, name, method string, limit uint32, n int) {
	c := script(t, e, []frame.Setting{{ID: frame.SettingMaxHeaderListSize, Value: limit}})
	start := time.Now()
	c.call(1, method, "hello")
	r := c.responses()[1]
	if r == nil || !r.end && !r.reset {
		t.Fatalf("the response has not ended: %+v", r)
	}
	if d := time.Since(start); d > time.Millisecond {
		t.Errorf("it took %v", d)
	}
	for i, size := range r.sizes {
		if int64(size) > int64(limit) {
			t.Errorf("section %d has %d bytes, the client accepts %d", i, size, limit)
		}
	}
	if open := c.srv.Stats().OpenCalls; open != 0 {
		t.Errorf("%d open calls", open)
	}
	wantLargeOutcome(t, r, name, limit, n, c.srv.Stats().Ended["peer_header_list"])
}

// wantLargeOutcome checks what the client was told.
func wantLargeOutcome(t *testing.T, r *response, name string, limit uint32, n int, counted uint64) {
	if limit == math.MaxUint32 {
		limit = 64 << 10 // of one field: no larger one is sent to a client that announced no limit
	}
	got, message := r.field("grpc-status"), wire.PercentDecode(r.field("grpc-message"))
	plain := "0"
	if !strings.HasSuffix(name, "of OK") {
		plain = "3"
	}
	whole := r.field("big") != "" || r.field("grpc-status-details-bin") != "" || name == "message" && !strings.HasSuffix(message, "...")
	switch {
	case r.reset:
		if limit > 150 {
			t.Errorf("the stream was reset with a limit of %d", limit)
		}
	case whole || n == 0:
		if n > 0 && got != plain {
			t.Errorf("grpc-status %s, want %s", got, plain)
		}
	case plain == "0" && got != "8":
		t.Errorf("grpc-status %s for a response whose metadata is missing, want 8", got)
	case plain == "3" && got != "3":
		t.Errorf("grpc-status %s, want that of the handler, 3", got)
	case name != "message" && limit >= 1000 && (!strings.Contains(message, fmt.Sprint(limit)) || !strings.Contains(message, "SETTINGS_MAX_HEADER_LIST_SIZE")):
		t.Errorf("the message does not name the limit: %q", message)
	}
	if strings.Contains(message, "\uFFFD") {
		t.Errorf("the message was cut inside a character: %q", message[max(0, len(message)-20):])
	}
	changed := r.reset || !whole && n > 0 && name != "message"
	if (counted > 0) != changed && name != "message" && n > 0 {
		t.Errorf("counted %d times, the response was changed: %t", counted, changed)
	}
	if counted > 1 {
		t.Errorf("one response was counted %d times", counted)
	}
}

// Our own client, with what both ends have by default, and other calls on the same connection.
func TestLargeResponsesWithDefaults(t *testing.T) {
	for name, handlers := range large {
		t.Run(name, func(t *testing.T) {
			p := start(t, "http2", handlers(20<<10))
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for range 300 { // more than a connection has streams
				_, err := p.unary(ctx, "x")
				want := codes.InvalidArgument
				if strings.HasSuffix(name, "of OK") {
					want = codes.ResourceExhausted
				}
				if status.Code(err) != want {
					t.Fatalf("got %.300v, want %v", err, want)
				}
			}
		})
	}
}

// lines counts log lines by message.
type lines struct {
	slog.Handler
	seen chan string
}

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.seen <- r.Message
	return nil
}
func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

// What peers can cause is logged now and then, not each time.
func TestLargeResponsesAreLoggedRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{seen: make(chan string, 100)}
		c := script(t, large["details"](20<<10), []frame.Setting{{ID: frame.SettingMaxHeaderListSize, Value: 8 << 10}},
			naru.WithLogger(slog.New(log)))
		for i := range 10 {
			c.call(uint32(2*i+1), methodUnary.FullMethod, "x")
		}
		c.responses()
		if n := len(log.seen); n != 1 {
			t.Errorf("%d lines for ten responses, want 1", n)
		}
		time.Sleep(11 * time.Second)
		c.call(101, methodUnary.FullMethod, "x")
		c.responses()
		if n := len(log.seen); n != 2 {
			t.Errorf("%d lines, want another one after a while", n)
		}
		if n := c.srv.Stats().Ended["peer_header_list"]; n != 11 {
			t.Errorf("%d were counted, want 11", n)
		}
	})
}
