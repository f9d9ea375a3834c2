package naru_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/stub"
)

// syncBuffer is a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestPanicsEndTheCallAlone(t *testing.T) {
	var log syncBuffer
	e := func() *echo {
		return &echo{
			unary: func(_ context.Context, m *text) (*text, error) {
				switch m.Value {
				case "panic":
					panic("the secret of the handler")
				case "goexit":
					runtime.Goexit()
				}
				return m, nil
			},
			bidi: func(naru.BidiStreamingServer[text, text]) error { panic(errors.New("in a stream")) },
		}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "panic")
		wantStatus(t, err, codes.Internal, "the handler panicked")
		_, err = p.unary(t.Context(), "goexit")
		wantStatus(t, err, codes.Internal, "the handler ended its goroutine")
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err == nil {
			_, err = s.Recv()
		}
		wantStatus(t, err, codes.Internal, "the handler panicked")
		got, err := p.unary(t.Context(), "still here")
		wantText(t, got, err, "still here")
	}, serverOnly{naru.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))})
	for _, want := range []string{"the secret of the handler", "panic_test.go", "in a stream", "method=/test.Echo/Unary"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
}

func TestPanicHandler(t *testing.T) {
	var got string
	h := func(ctx context.Context, c *naru.Call, value any, stack []byte) {
		got = fmt.Sprint(c.Method().Name(), " ", value, " ", len(stack) > 0)
	}
	e := handle(func(context.Context, *text) (*text, error) { panic("oh") })
	overAll(t, e, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "")
		wantStatus(t, err, codes.Internal, "the handler panicked")
		if got != "Unary oh true" {
			t.Errorf("the panic handler was told %q", got)
		}
	}, serverOnly{naru.WithPanicHandler(h)})
}
