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
	opts := []naru.CallOption{naru.WaitForReady(true), naru.WithCompression([]string{"", "", "", "gzip", "zstd"}[s.n(5)])}
	switch s.n(10) {
	default:
		got, err := echo.Unary(ctx, m, opts...)
		if err == nil && (got.GetId() != m.GetId() || len(got.GetPayload()) != size) {
			s.wrong("unary: sent message %d of %d bytes, got %d of %d", m.GetId(), size, got.GetId(), len(got.GetPayload()))
		}
		s.outcome("unary", err, bad, impatient)
	case 0:
		s.outcome("stream", s.down(ctx, echo, m, s.n(100), opts), bad, impatient)
	case 1:
		s.outcome("stream", s.up(ctx, echo, m, s.n(100), opts), bad, impatient)
	case 2, 3:
		s.outcome("stream", s.stream(ctx, echo, m, s.n(100), opts), bad, impatient)
	}
}

// down takes n messages.
func (s *soak) down(ctx context.Context, echo benchpbnaru.EchoClient, m *benchpb.Message, n int, opts []naru.CallOption) error {
	m.Id = int64(n + 1)
	st, err := echo.ServerStream(ctx, m, opts...)
	if err != nil {
		return err
	}
	for got := int64(0); ; got++ {
		back, err := st.Recv()
		if err == io.EOF {
			return lost(got, m.GetId())
		}
		if err != nil {
			return err
		}
		if back.GetId() != got+1 || len(back.GetPayload()) != len(m.GetPayload()) {
			return fmt.Errorf("message %d is number %d", got+1, back.GetId())
		}
		s.messages.Add(1)
	}
}

// up sends n messages.
func (s *soak) up(ctx context.Context, echo benchpbnaru.EchoClient, m *benchpb.Message, n int, opts []naru.CallOption) error {
	st, err := echo.ClientStream(ctx, opts...)
	if err != nil {
		return err
	}
	for range n {
		if st.Send(m) != nil {
			break // CloseAndRecv tells how the stream ended
		}
		s.messages.Add(1)
	}
	back, err := st.CloseAndRecv()
	if err != nil {
		return err
	}
	return lost(back.GetId(), int64(n))
}

// lost is the error of a stream that ended with OK and had another number of messages than were
// sent.
func lost(got, sent int64) error {
	if got == sent {
		return nil
	}
	return fmt.Errorf("stream ended with OK after %d of %d messages", got, sent)
}

// stream sends n messages and takes them back; now and then it is left in the middle.
func (s *soak) stream(ctx context.Context, echo benchpbnaru.EchoClient, m *benchpb.Message, n int, opts []naru.CallOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st, err := echo.Bidi(ctx, opts...)
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
			return lost(int64(got), int64(n))
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

func (handlers) ServerStream(m *benchpb.Message, s naru.ServerStreamingServer[benchpb.Message]) error {
	for i := range m.GetId() {
		if err := s.Send(&benchpb.Message{Id: i + 1, Payload: m.GetPayload()}); err != nil {
			return err
		}
	}
	return nil
}

func (handlers) ClientStream(s naru.ClientStreamingServer[benchpb.Message, benchpb.Message]) error {
	for n := int64(0); ; n++ {
		_, err := s.Recv()
		if err == io.EOF {
			return s.SendAndClose(&benchpb.Message{Id: n})
		}
		if err != nil {
			return err
		}
	}
}

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
