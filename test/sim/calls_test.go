package sim

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// ended notes the end of a call, which has to be one that such faults can bring.
func (l *life) ended(what string, id int64, begun time.Time, err error) {
	code := status.Code(err)
	switch code {
	case codes.OK, codes.Unavailable, codes.Canceled, codes.DeadlineExceeded:
	default:
		l.t.Errorf("seed %d: %s %d ended with %v", l.seed, what, id, err)
	}
	if took := time.Since(begun); took > lifetime+time.Second {
		l.t.Errorf("seed %d: %s %d took %v, past its deadline: %v", l.seed, what, id, took, err)
	}
	l.mu.Lock()
	l.ends[code]++
	l.mu.Unlock()
}

func (l *life) call(id int64) {
	limit := lifetime
	if l.n(4) == 0 {
		limit = time.Duration(1 + l.n(int(2*time.Second)))
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opts := []naru.CallOption{naru.WithTimeout(limit)}
	if l.n(2) == 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, limit)
		defer stop()
		opts = nil
	}
	if l.n(6) == 0 {
		defer time.AfterFunc(time.Duration(l.n(int(time.Second))), cancel).Stop()
	}
	begun := time.Now()
	if l.n(3) == 0 {
		l.ended("stream", id, begun, l.stream(ctx, id, opts))
		return
	}
	m := &benchpb.Message{Id: id, Payload: make([]byte, l.n(3000))}
	if l.n(10) == 0 {
		m.Payload = make([]byte, 200_000)
	}
	got, err := l.echo.Unary(ctx, m, append(append(opts, l.policy(id)...), naru.WaitForReady(l.n(2) == 0))...)
	if err == nil && (got.GetId() != id || len(got.GetPayload()) != len(m.GetPayload())) {
		l.t.Errorf("seed %d: call %d got the answer of %d", l.seed, id, got.GetId())
	}
	l.mu.Lock()
	ran := l.ran[id]
	l.mu.Unlock()
	if err == nil && ran == 0 {
		l.t.Errorf("seed %d: call %d succeeded and did not run", l.seed, id)
	}
	l.ended("call", id, begun, err)
}

// policy lets some calls be repeated: after a failure, or while they are under way.
func (l *life) policy(id int64) []naru.CallOption {
	most, opt := 0, naru.CallOption(nil)
	switch l.n(6) {
	case 0:
		most = 3
		opt = naru.WithRetry(serviceconfig.RetryPolicy{
			MaxAttempts: most, InitialBackoff: 10 * time.Millisecond, MaxBackoff: time.Second, BackoffMultiplier: 2,
			RetryableStatusCodes: []codes.Code{codes.Unavailable},
		})
	case 1:
		most = 2
		opt = naru.WithHedging(serviceconfig.HedgingPolicy{MaxAttempts: most, HedgingDelay: 100 * time.Millisecond, NonFatalStatusCodes: []codes.Code{codes.Unavailable}})
	default:
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most[id] = most
	return []naru.CallOption{opt}
}

// stream sends numbered messages and takes them back; a stream that ends with OK has lost none.
func (l *life) stream(ctx context.Context, id int64, opts []naru.CallOption) error {
	s, err := l.echo.Bidi(ctx, append(opts, naru.WaitForReady(true))...)
	if err != nil {
		return err
	}
	n := int64(1 + l.n(30))
	sent := make(chan struct{}) // closed when the sender is done
	go func() {
		defer close(sent)
		for i := range n {
			if s.Send(&benchpb.Message{Id: i + 1, Message: fmt.Sprint(id), Payload: make([]byte, l.n(2000))}) != nil {
				return
			}
		}
		_ = s.CloseSend() // Recv tells how the stream ended
	}()
	defer func() { <-sent }()
	for got := int64(0); ; got++ {
		m, err := s.Recv()
		if err == io.EOF {
			l.mu.Lock()
			there := l.got[id]
			l.mu.Unlock()
			if got != n || there != n {
				l.t.Errorf("seed %d: stream %d ended with OK, %d of %d messages got there and %d came back", l.seed, id, there, n, got)
			}
			if _, err := s.Recv(); err != io.EOF {
				l.t.Errorf("seed %d: stream %d ended with OK and then with %v", l.seed, id, err)
			}
			return nil
		}
		if err != nil {
			if _, again := s.Recv(); again != err {
				l.t.Errorf("seed %d: stream %d ended with %v and then with %v", l.seed, id, err, again)
			}
			return err
		}
		if m.GetId() != got+1 {
			l.t.Errorf("seed %d: stream %d received message %d as its %d.", l.seed, id, m.GetId(), got+1)
		}
	}
}

// handlers take their time.
type handlers struct {
	benchpbnaru.UnimplementedEchoServer
	l *life
}

func (h handlers) Unary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	h.l.mu.Lock()
	h.l.ran[m.GetId()]++
	h.l.mu.Unlock()
	select {
	case <-time.After(time.Duration(h.l.n(int(300 * time.Millisecond)))):
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h handlers) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		h.l.received(m)
		if h.l.n(4) == 0 {
			h.l.pause(50 * time.Millisecond)
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

// received notes a message of a stream: they come in order, each once.
func (l *life) received(m *benchpb.Message) {
	id, err := strconv.ParseInt(m.GetMessage(), 10, 64)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.got[id]++; err != nil || l.got[id] != m.GetId() {
		l.t.Errorf("seed %d: the server's side of stream %d received message %d as its %d. (%v)", l.seed, id, m.GetId(), l.got[id], err)
	}
}
