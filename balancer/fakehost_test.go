package balancer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru/resolver"
)

// fakeHost is a channel that does nothing by itself: it writes down what a balancer asks for, and
// time passes when a test says so.
type fakeHost struct {
	log    []string
	now    time.Time
	timers []*fakeTimer
	later  []func()
	subs   []*fakeSub // alive
	state  State      // last published
	rand   *rand.Rand
}

type fakeTimer struct {
	at   time.Time
	f    func()
	dead bool
}

func newFakeHost() *fakeHost {
	return &fakeHost{now: time.Unix(1e9, 0), rand: rand.New(rand.NewPCG(1, 2))}
}

func (h *fakeHost) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

func (h *fakeHost) NewSubConn(addr resolver.Address, opts SubConnOptions) SubConn {
	s := &fakeSub{h: h, addr: addr, opts: opts}
	h.subs = append(h.subs, s)
	extra := ""
	if opts.OnHealth != nil {
		extra += " +health"
	}
	h.note("new %v%s", addr, extra)
	return s
}

func (h *fakeHost) Publish(s State) {
	h.state = s
	what := ""
	_, lazy := s.Picker.(*ringPicker) // to ask it is to make it connect
	var p Pick
	var err error
	if !lazy {
		err = s.Picker.Pick(&CallInfo{}, &p)
	}
	switch {
	case lazy:
		what = fmt.Sprintf("picker %T", s.Picker)
	case err == ErrQueue:
		what = "calls wait"
	case err != nil:
		what = "calls fail: " + err.Error()
	default:
		what = fmt.Sprintf("picker %T", s.Picker)
		if f, ok := s.Picker.(*fixedPicker); ok {
			what = "calls to " + f.sc.Address().String()
		}
		p.Done(&DoneInfo{})
	}
	h.note("publish %v, %s", s.State, what)
}

func (h *fakeHost) Refresh()          { h.note("refresh") }
func (h *fakeHost) Target() string    { return "test:///x" }
func (h *fakeHost) Authority() string { return "x" }
func (h *fakeHost) Now() time.Time    { return h.now }
func (h *fakeHost) Uint64() uint64    { return h.rand.Uint64() }

func (h *fakeHost) Later(f func()) { h.later = append(h.later, f) }

// settle runs what pickers asked for.
func (h *fakeHost) settle() {
	for len(h.later) > 0 {
		f := h.later[0]
		h.later = h.later[1:]
		f()
	}
}

func (h *fakeHost) AfterFunc(d time.Duration, f func()) (stop func()) {
	t := &fakeTimer{at: h.now.Add(d), f: f}
	h.timers = append(h.timers, t)
	return func() { t.dead = true }
}

// advance lets d pass; timers go off in order.
func (h *fakeHost) advance(d time.Duration) {
	end := h.now.Add(d)
	for {
		h.timers = slices.DeleteFunc(h.timers, func(t *fakeTimer) bool { return t.dead })
		var next *fakeTimer
		for _, t := range h.timers {
			if !t.at.After(end) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil {
			h.now = end
			return
		}
		if next.at.After(h.now) {
			h.now = next.at
		}
		next.dead = true
		next.f()
	}
}

// sub returns the newest living SubConn to addr.
func (h *fakeHost) sub(addr string) *fakeSub {
	for _, s := range slices.Backward(h.subs) {
		if s.addr.String() == addr {
			return s
		}
	}
	return nil
}

// flush returns what was written down since the last time.
func (h *fakeHost) flush() string {
	if len(h.log) == 0 {
		return "nothing\n"
	}
	s := strings.Join(h.log, "\n") + "\n"
	h.log = nil
	return s
}

type fakeSub struct {
	h    *fakeHost
	addr resolver.Address
	opts SubConnOptions
	load func(*LoadReport)
}

func (s *fakeSub) WatchLoad(interval time.Duration, f func(*LoadReport)) {
	if f != nil {
		s.h.note("load of %v every %v", s.addr, interval)
	} else if s.load != nil {
		s.h.note("load of %v no more", s.addr)
	}
	s.load = f
}

func (s *fakeSub) Connect()                  { s.h.note("connect %v", s.addr) }
func (s *fakeSub) Address() resolver.Address { return s.addr }
func (s *fakeSub) Shutdown() {
	s.h.note("shutdown %v", s.addr)
	s.h.subs = slices.DeleteFunc(s.h.subs, func(x *fakeSub) bool { return x == s })
}
