package call

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

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
	hedge *streamHedge // nil: there is one attempt at a time. Immutable.

	receiver atomic.Int32 // who may touch the reader half of the attempt's inbox, as in ServerCall

	// openMu is held while a message is put on an attempt, and lockOpen waits while one is replaced, so that a
	// new attempt is given the earlier messages first.
	openMu     sync.Mutex
	replacing  bool       // replace waits, with openMu unlocked, and what follows is its own
	replaced   sync.Cond  // on openMu: replacing was cleared
	replay     []*mem.Buf // copies of what was sent, while another attempt is possible
	replayed   int        // bytes of replay
	committed  bool       // there will be no other attempt
	judged     *attempt   // the last one that again has decided about
	halfClosed bool

	// guarded by mu
	mu      sync.Mutex
	attempt *attempt
	done    func(DoneInfo)
	told    *attempt // the last one whose end was reported
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
	if err := s.start(req); err != nil {
		env.Counters.failed(err, s.last)
		return nil, err
	}
	if s.ctx.Done() != nil {
		s.watch()
	}
	return s, nil
}

// start begins the first attempt, or what will. req: the only message, nil: none yet.
func (s *ClientStream) start(req any) error {
	if err := s.prepare(); err != nil {
		return err
	}
	var first *mem.Buf
	if req != nil {
		var err error
		if first, err = s.out.encode(req); err != nil {
			return err
		}
		s.keep(first)
		s.halfClosed = true
	}
	s.ctx, s.stop = s.boundContext()
	var err error
	switch h := s.hedgingPolicy(); {
	case h != nil && first != nil:
		err = s.beginHedged(h, first)
	case h != nil:
		s.hedge = newStreamHedge(s, h)
		go s.hedge.run()
	default:
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
	}
	return err
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

// begin opens an attempt. replacing is set, or nobody else knows s. first: the message of a request
// that consists of one, nil: none; again makes it anew.
func (s *ClientStream) begin(first *mem.Buf, again func() (*mem.Buf, error)) error {
	if first == nil {
		again = func() (*mem.Buf, error) { return nil, nil }
	}
	a := new(attempt)
	s.last = a
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

// current returns the attempt, or that the call is over.
func (s *ClientStream) current() (a *attempt, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempt, s.over
}

func (s *ClientStream) attemptDone(a *attempt, err error) {
	s.mu.Lock()
	done, told := s.done, s.told == a
	s.done, s.told = nil, a
	s.mu.Unlock()
	if !told {
		s.attemptEnded(a, err)
	}
	if done != nil {
		done(DoneInfo{Err: err, Sent: true, Received: a.headSeen, Trailers: a.trailers})
	}
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
	a, unhook := s.attempt, s.unhook // a is nil while a hedge has not chosen one
	if s.hedge != nil && s.hedge.winner != nil {
		defer s.hedge.winner.stop()
	}
	s.mu.Unlock()
	if unhook != nil {
		unhook()
	}
	s.stop()
	if a != nil && reset {
		a.cancel("canceled")
	}
	if err != nil {
		s.env.Counters.failed(err, a)
	}
	if a == nil {
		s.receiver.Store(receiverClosed)
		return
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
	if a == nil {
		return metadata.MD{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.headerMD()
}

// Context returns the context the call was made with, and its deadline.
func (s *ClientStream) Context() context.Context { return s.ctx }

// Header waits for the response's header. If the call fails without one, the error is the call's.
func (s *ClientStream) Header() (metadata.MD, error) {
	if s.hedge != nil {
		s.hedge.await()
	}
	for {
		a, over := s.current()
		if a == nil {
			return s.noHeader()
		}
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

// noHeader: a trailers-only response has an empty header; the status comes with RecvMsg. A call whose context has ended
// has none, even if nobody has come to end the call yet.
func (s *ClientStream) noHeader() (metadata.MD, error) {
	s.checkContext()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over && s.final != nil && (s.attempt == nil || !s.attempt.only) {
		return nil, s.final
	}
	return metadata.MD{}, nil
}

// Trailer returns the response's trailer. Valid after RecvMsg has returned an error or io.EOF.
func (s *ClientStream) Trailer() metadata.MD {
	a, _ := s.current()
	if a == nil {
		return metadata.MD{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.ended {
		return metadata.MD{}
	}
	return a.trailerMD()
}
