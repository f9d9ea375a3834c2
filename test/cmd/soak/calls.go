package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// call makes one call of a kind, size and patience drawn from the seed.
func (s *soak) call(echo benchpbnaru.EchoClient, bad bool) {
	limit, impatient := 20*time.Second, false
	if s.n(20) == 0 {
		limit, impatient = time.Duration(s.n(int(5*time.Millisecond))), true
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	size := s.n(500)
	if s.n(20) == 0 {
		size = s.n(300_000)
	}
	m := &benchpb.Message{Id: int64(s.n(1 << 30)), Payload: make([]byte, size)}
	if s.n(4) > 0 {
		got, err := echo.Unary(ctx, m, naru.WaitForReady(true))
		if err == nil && (got.GetId() != m.GetId() || len(got.GetPayload()) != size) {
			s.wrong("unary: sent message %d of %d bytes, got %d of %d", m.GetId(), size, got.GetId(), len(got.GetPayload()))
		}
		s.outcome("unary", err, bad, impatient)
		return
	}
	s.outcome("stream", s.stream(ctx, echo, m, s.n(100)), bad, impatient)
}

// stream sends n messages and takes them back; now and then it is left in the middle.
func (s *soak) stream(ctx context.Context, echo benchpbnaru.EchoClient, m *benchpb.Message, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := echo.Bidi(ctx, naru.WaitForReady(true))
	if err != nil {
		return err
	}
	sent := make(chan struct{}) // closed when the sender is done
	go func() {
		defer close(sent)
		for range n {
			if st.Send(m) != nil {
				return
			}
		}
		_ = st.CloseSend() // Recv tells how the stream ended
	}()
	defer func() { cancel(); <-sent }()
	leave := -1
	if s.n(10) == 0 {
		leave = s.n(n + 1)
	}
	for got := 0; ; got++ {
		if got == leave {
			return nil
		}
		back, err := st.Recv()
		if err == io.EOF {
			if got != n {
				return fmt.Errorf("stream ended with OK after %d of %d messages", got, n)
			}
			return nil
		}
		if err != nil {
			return err
		}
		if back.GetId() != m.GetId() || len(back.GetPayload()) != len(m.GetPayload()) {
			return fmt.Errorf("a message came back changed")
		}
		s.messages.Add(1)
	}
}

// handlers echo.
type handlers struct {
	benchpbnaru.UnimplementedEchoServer
}

func (handlers) Unary(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) { return m, nil }

func (handlers) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}
