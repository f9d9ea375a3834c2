package call

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// A ClientStream is the client's side of a call that streams. One goroutine may send while another
// receives; Close may be called by any, at any time.
//
// Locks: openMu before mu before attempt.mu.
type ClientStream struct {
	clientCall
	stop   context.CancelFunc // of the deadline that ctx did not have
	unhook func() bool        // ends the watch on ctx; nil: ctx never ends

	// atomic
	receiver atomic.Int32 // who may touch the reader half of the attempt's inbox, as in ServerCall

	// openMu is held while an attempt is replaced and while a message is put on one, so that a new
	// attempt is given the earlier messages first.
	openMu     sync.Mutex
	replay     []*mem.Buf // copies of what was sent, while another attempt is possible
	replayed   int        // bytes of replay
	committed  bool       // there will be no other attempt
	judged     *attempt   // the last one that again has decided about
	halfClosed bool

	// guarded by mu
	mu      sync.Mutex
	attempt *attempt
	done    func(DoneInfo)
	over    bool
	final   error         // with over: the status error, nil for OK
	ended   chan struct{} // closed with over; nil: nobody waits
}

// maxReplay is how many bytes a stream keeps for another attempt. More is sent without this net:
// gRFC A6 ("the client library ... commits when the buffer is exceeded").
const maxReplay = 64 << 10

// NewStream begins a call that streams. set is copied. ctx ends the stream when it ends.
func NewStream(ctx context.Context, env *ClientEnv, m ClientMethod, set *Settings) (*ClientStream, error) {
	return newStream(ctx, env, m, set, nil)
}

// NewStreamWith begins a call with its only request, which goes out in one piece.
func NewStreamWith(ctx context.Context, env *ClientEnv, m ClientMethod, set *Settings, req any) (*ClientStream, error) {
	return newStream(ctx, env, m, set, req)
}

func newStream(ctx context.Context, env *ClientEnv, m ClientMethod, set *Settings, req any) (*ClientStream, error) {
	s := &ClientStream{}
	s.env, s.method, s.set, s.ctx = env, m, *set, ctx
	if err := s.prepare(); err != nil {
		return nil, err
	}
	var first *mem.Buf
	if req != nil {
		var err error
		if first, err = s.out.encode(req); err != nil {
			return nil, err
		}
		s.keep(first)
		s.halfClosed = true
	}
	s.ctx, s.stop = s.boundContext()
	var err error
	if h := s.hedgingPolicy(); h != nil && first != nil {
		err = s.beginHedged(h, first)
	} else {
		err = s.begin(first, func() (*mem.Buf, error) {
			if len(s.replay) == 1 {
				return clone(s.replay[0]), nil
			}
			return s.out.encode(req)
		})
	}
	if err != nil {
		s.stop()
		s.dropReplay()
		return nil, err
	}
	if s.ctx.Done() != nil {
		s.watch()
	}
	return s, nil
}

// beginHedged sends the request under a hedging policy and waits for the first answer, whose attempt is
// the stream's.
func (s *ClientStream) beginHedged(p *HedgingPolicy, first *mem.Buf) error {
	h := &hedge{call: &s.clientCall, policy: p, body: slices.Clone(first.B), head: true}
	first.Free()
	r, err := h.run()
	if err != nil {
		return err
	}
	h.tellPeer(r)
	s.commit()
	s.attempt, s.done, s.conn = r.attempt, r.done, r.conn
	return nil
}

// watch ends the stream with its context, also when nobody sends or receives.
func (s *ClientStream) watch() {
	unhook := context.AfterFunc(s.ctx, func() {
		s.mu.Lock()
		a := s.attempt
		s.mu.Unlock()
		s.end(s.timeUp(a.where()), true)
	})
	s.mu.Lock()
	over := s.over
	s.unhook = unhook
	s.mu.Unlock()
	if over {
		unhook()
	}
}

// checkContext ends the stream if its context has ended and watch's goroutine has not come to it yet: what
// the caller does after it cancelled must not be sent, and must not succeed.
func (s *ClientStream) checkContext() (ended bool) {
	if s.ctx.Err() == nil {
		return false
	}
	a, over := s.current()
	if !over {
		s.end(s.timeUp(a.where()), true)
	}
	return true
}

// begin opens an attempt. openMu is held, or nobody else knows s. first: the message of a request
// that consists of one, nil: none; again makes it anew.
func (s *ClientStream) begin(first *mem.Buf, again func() (*mem.Buf, error)) error {
	if first == nil {
		again = func() (*mem.Buf, error) { return nil, nil }
	}
	a := new(attempt)
	a.reset(s.maxReceive)
	done, err := s.open(a, first, first != nil, again)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.attempt, s.done = a, done
	s.limitAttempt(a)
	over, final := s.over, s.final
	s.mu.Unlock()
	if over {
		// Closed while the attempt was being opened.
		a.cancel("canceled")
		s.attemptDone(a, final)
	}
	return nil
}

func clone(b *mem.Buf) *mem.Buf {
	c := mem.Get(len(b.B))
	c.B = append(c.B, b.B...)
	return c
}

// keep remembers a message for another attempt, as long as there may be one. openMu is held.
func (s *ClientStream) keep(b *mem.Buf) {
	if s.committed {
		return
	}
	if s.replayed += len(b.B); s.replayed > maxReplay {
		s.commit()
		return
	}
	s.replay = append(s.replay, clone(b))
}

// commit decides for the current attempt. openMu is held.
func (s *ClientStream) commit() {
	s.committed = true
	s.dropReplay()
}

func (s *ClientStream) dropReplay() {
	for _, b := range s.replay {
		b.Free()
	}
	s.replay = nil
}

// current returns the attempt, or that the call is over.
func (s *ClientStream) current() (a *attempt, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt, s.over
}

// replace opens another attempt in place of a, which has ended, if that is allowed. It returns
// false if not; an error ends the call.
func (s *ClientStream) replace(a *attempt) (bool, error) {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	if cur, over := s.current(); over || cur != a {
		return !over, nil
	}
	if s.committed || s.judged == a {
		return false, nil
	}
	s.judged = a
	err := a.outcome(s.set.Subtype).Err()
	if err == nil {
		return false, nil
	}
	pause, again := s.again(a, err)
	if !again {
		return false, nil
	}
	s.attemptDone(a, err)
	if err := s.pauseOpen(pause, err); err != nil {
		return false, err
	}
	if !s.method.ClientStreams && s.halfClosed && len(s.replay) == 1 {
		again := func() (*mem.Buf, error) { return clone(s.replay[0]), nil }
		return true, s.begin(clone(s.replay[0]), again)
	}
	if err := s.begin(nil, nil); err != nil {
		return false, err
	}
	cur, _ := s.current()
	for _, b := range s.replay {
		if cur.stream.Send(clone(b), false) != nil {
			return true, nil // ended again: whoever waits for it sees that
		}
	}
	if s.halfClosed {
		_ = cur.stream.Send(nil, true) // as above
	}
	return true, nil
}

// pauseOpen is pauseFor of a stream, which Close may end.
func (s *ClientStream) pauseOpen(d time.Duration, last error) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.Ended(): // watch ends the stream with its context
		return last
	}
}

func (s *ClientStream) attemptDone(a *attempt, err error) {
	s.mu.Lock()
	done := s.done
	s.done = nil
	s.mu.Unlock()
	if done != nil {
		done(DoneInfo{Err: err, Sent: true, Received: a.headSeen, Trailers: a.trailers})
	}
}

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
		a, over := s.current()
		if over {
			buf.Free()
			return io.EOF
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

// put sends buf on a, unless a has been replaced.
func (s *ClientStream) put(a *attempt, buf *mem.Buf) bool {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	if cur, over := s.current(); cur != a && !over {
		return false
	}
	if s.halfClosed {
		buf.Free()
		s.end(status.Error(codes.Internal, "send: CloseSend was called before"), true)
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
	if a, over := s.current(); !over {
		_ = a.stream.Send(nil, true) // RecvMsg tells why not
	}
	return nil
}

// Close cancels the call unless it has ended. It always returns nil.
func (s *ClientStream) Close() error {
	s.end(status.New(codes.Canceled, "the stream was closed by the caller").WithCause(context.Canceled).Err(), true)
	return nil
}

// end makes err the call's outcome if it has none, and lets go of everything.
func (s *ClientStream) end(err error, reset bool) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over, s.final = true, err
	if s.ended != nil {
		defer close(s.ended) // last: who waits for it looks at what is set below
	}
	a, unhook := s.attempt, s.unhook
	s.mu.Unlock()
	if unhook != nil {
		unhook()
	}
	s.stop()
	if reset {
		a.cancel("canceled")
	}
	s.attemptDone(a, err)
	if s.receiver.Swap(receiverClosed) == receiverIdle {
		a.release()
	}
}

// Ended is closed when the call is over.
func (s *ClientStream) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(chan struct{})
		if s.over {
			close(s.ended)
		}
	}
	return s.ended
}

// Err is the status error of a call that is over, nil for OK.
func (s *ClientStream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.final
}

// ResponseHeader is the header of a call that is over, as far as it came.
func (s *ClientStream) ResponseHeader() metadata.MD {
	a, _ := s.current()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.headerMD()
}

// Context returns the context the call was made with, and its deadline.
func (s *ClientStream) Context() context.Context { return s.ctx }

// Header waits for the response's header. If the call fails without one, the error is the call's.
func (s *ClientStream) Header() (metadata.MD, error) {
	for {
		a, over := s.current()
		a.mu.Lock()
		a.awaitLocked(false)
		seen, ended := a.headSeen, a.ended
		a.mu.Unlock()
		if seen && !a.only {
			return a.headerMD(), nil
		}
		if over || !ended {
			return s.noHeader()
		}
		if again, err := s.replace(a); err != nil || !again {
			if err != nil {
				s.end(err, true)
			}
			return s.noHeader()
		}
	}
}

// noHeader: a trailers-only response has an empty header; the status comes with RecvMsg.
func (s *ClientStream) noHeader() (metadata.MD, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over && s.final != nil && !s.attempt.only {
		return nil, s.final
	}
	return metadata.MD{}, nil
}

// Trailer returns the response's trailer. Valid after RecvMsg has returned an error or io.EOF.
func (s *ClientStream) Trailer() metadata.MD {
	a, _ := s.current()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		return metadata.MD{}
	}
	return a.trailerMD()
}
