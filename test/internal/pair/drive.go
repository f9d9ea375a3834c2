package pair

import (
	"errors"
	"io"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A stream is what the client streams of both stacks have in common.
type stream interface {
	SendMsg(m any) error
	RecvMsg(m any) error
	CloseSend() error
}

var errNoMessage = errors.New("the call ended with OK without its one message")

// drive sends the messages of r and receives until the call has ended. nil is OK.
func drive(r Request, s stream) (received []string, err error) {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i, m := range r.Messages {
			if s.SendMsg(wrapperspb.String(m)) != nil {
				return // RecvMsg has the reason
			}
			if r.Sent != nil && r.Kind.ManyRequests() {
				r.Sent(i)
			}
		}
		_ = s.CloseSend() // RecvMsg has the reason
	}()
	defer func() { <-sent }()
	for {
		m := new(Message)
		if err := s.RecvMsg(m); err == io.EOF {
			if !r.Kind.ManyResponses() && len(received) == 0 {
				return nil, errNoMessage
			}
			return received, nil
		} else if err != nil {
			return received, err
		}
		received = append(received, m.Value)
		if r.Received != nil {
			r.Received(m.Value)
		}
		if !r.Kind.ManyResponses() {
			return received, nil
		}
	}
}
