package call

import (
	"io"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/status"
)

// SendMsg sends a message. It waits while the server is slow. It does not keep m. io.EOF: the call has
// ended, RecvMsg tells how.
func (s *ClientStream) SendMsg(m any) error {
	buf, err := s.out.encode(m)
	if err != nil {
		s.end(err, true)
		return err
	}
	for {
		s.checkContext()
		if s.hedge != nil && s.hedge.put(buf) {
			return nil
		}
		a, over := s.current()
		if over {
			buf.Free()
			return io.EOF
		}
		if a == nil {
			buf.Free() // put did not take it: nothing may follow CloseSend
			s.end(errSendAfterClose, true)
			return nil
		}
		if err := a.stream.AwaitSend(nil); err != nil {
			if again, err := s.recover(a); !again {
				buf.Free()
				return err
			}
			continue
		}
		if s.put(a, buf) {
			return nil
		}
	}
}

var errSendAfterClose = status.Error(codes.Internal, "send: CloseSend was called before")

// put sends buf on a, unless a has been replaced.
func (s *ClientStream) put(a *attempt, buf *mem.Buf) bool {
	s.lockOpen()
	defer s.openMu.Unlock()
	if cur, over := s.current(); cur != a && !over {
		return false
	}
	if s.halfClosed {
		buf.Free()
		s.end(errSendAfterClose, true)
		return true
	}
	if !s.committed && a.responding() {
		s.commit()
	}
	s.keep(buf)
	// If the stream has ended meanwhile the next operation finds out; the message is kept for another
	// attempt as if it had been lost on the wire.
	_ = a.stream.Send(buf, false)
	return true
}

// recover tries another attempt after a's sending half has failed.
func (s *ClientStream) recover(a *attempt) (again bool, err error) {
	a.mu.Lock()
	a.awaitLocked(true) // the transport may know more than it has told its sink so far
	a.mu.Unlock()
	again, err = s.replace(a)
	if err != nil {
		s.end(err, true)
	}
	if !again {
		return false, io.EOF
	}
	return true, nil
}

// CloseSend says that no message follows. It fails only if SendMsg would.
func (s *ClientStream) CloseSend() error {
	s.checkContext()
	s.openMu.Lock()
	defer s.openMu.Unlock()
	if s.halfClosed {
		return nil
	}
	s.halfClosed = true
	if s.hedge != nil && !s.hedge.over {
		s.hedge.closeSend()
		return nil
	}
	if a, over := s.current(); !over && !s.replacing { // replace looks at halfClosed when it has an attempt
		_ = a.stream.Send(nil, true) // RecvMsg tells why not
	}
	return nil
}
