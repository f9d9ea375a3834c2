package abuse

import (
	"testing"
	"time"
)

// flood is one of the three budgets that slow a peer down before they cut it off.
type flood struct {
	token, limit     string
	burst, perSecond int
	charge           func(b *Budget, now int64) *Fault
}

var floods = []flood{
	{"reset_flood", limitResetsReceived, 1000, 33, func(b *Budget, now int64) *Fault { return b.ResetReceived(now, 0, Reset{}) }},
	{"reset_caused_flood", limitResetsCaused, 1000, 33, (*Budget).ResetCaused},
	{"refused_flood", limitRefusals, 5000, 500, func(b *Budget, now int64) *Fault { return b.Refused(now, 0, 1) }},
}

// A flood all at once: the burst is free, as much again only slows the peer down, as much again
// drains the connection, and then it ends.
func TestFlood_Stages(t *testing.T) {
	for _, tt := range floods {
		b := newBudget(t, Config{})
		now := 5 * second
		for range tt.burst {
			wantNone(t, tt.token+" within the burst", tt.charge(b, now))
		}
		if d := b.Pause(now); d != 0 {
			t.Errorf("%s: a pause of %v within the burst", tt.token, d)
		}
		for range tt.burst {
			wantNone(t, tt.token+" beyond the burst", tt.charge(b, now))
		}
		if d := b.Pause(now); d != longestPause {
			t.Errorf("%s: a pause of %v, want %v", tt.token, d, longestPause)
		}
		f := tt.charge(b, now)
		wantFault(t, "twice the burst", f, tt.token, tt.limit)
		if f == nil || !f.Drain {
			t.Errorf("%s: %+v ends the connection, want it drained", tt.token, f)
		}
		for range tt.burst - 1 {
			wantNone(t, tt.token+" while it drains", tt.charge(b, now))
		}
		for range 2 { // the end remains the end
			f = tt.charge(b, now)
			wantFault(t, "three times the burst", f, tt.token, tt.limit)
			if f != nil && f.Drain {
				t.Errorf("%s: drained a second time", tt.token)
			}
		}
	}
}

// A peer that is not heard while it is paused is brought down to the rate, and never cut off.
func TestFlood_PausesBringThePeerDownToTheRate(t *testing.T) {
	for _, tt := range floods {
		b := newBudget(t, Config{})
		now, n := 5*second, 0
		for start := now; now < start+600*second; {
			for range 3 { // as fast as this side listens, a few at a time
				wantNone(t, tt.token, tt.charge(b, now))
				n++
			}
			now += int64(max(b.Pause(now), time.Millisecond))
		}
		if want := tt.burst + 600*tt.perSecond; n < want*9/10 || n > want*11/10 {
			t.Errorf("%s: %d in ten minutes, want about %d", tt.token, n, want)
		}
	}
}

// A burst that never comes back is all there is.
func TestFlood_WithoutARate(t *testing.T) {
	b := newBudget(t, Config{ResetsCaused: Rate{Burst: 3}})
	for range 3 {
		wantNone(t, "within the burst", b.ResetCaused(second))
	}
	for now := second; now < 1000*second; now += 100 * second {
		if f := b.ResetCaused(now); f == nil || f.Drain {
			t.Errorf("beyond it: %+v, want the end", f)
		}
		if d := b.Pause(now); d != 0 {
			t.Errorf("a pause of %v", d)
		}
	}
}

// What gives a call up after it was worked on, or has cost its client something, is free at any
// rate.
func TestResetReceived_OfCallsThatWereWorkedOn(t *testing.T) {
	for _, r := range []Reset{
		{Served: true},
		{Age: briefCall},
		{Bytes: paidBytes},
		{Served: true, Age: time.Hour.Nanoseconds(), Bytes: 1 << 30},
	} {
		b := newBudget(t, Config{ResetsReceived: Rate{Burst: 1}})
		for range 100_000 {
			wantNone(t, "worked on", b.ResetReceived(1, 0, r))
		}
	}
	b := newBudget(t, Config{ResetsReceived: Rate{Burst: 1}})
	just := Reset{Age: briefCall - 1, Bytes: paidBytes - 1}
	wantNone(t, "the burst", b.ResetReceived(1, 0, just))
	wantFault(t, "just not worked on", b.ResetReceived(1, 0, just), "reset_flood", limitResetsReceived)
}

// Calls that ended in good order earn as many resets, as when the answer and the cancellation
// cross; and they can be saved up only so far.
func TestResetReceived_EarnedByServedCalls(t *testing.T) {
	b := newBudget(t, Config{ResetsReceived: Rate{Burst: 1}})
	for i := range uint64(50_000) {
		wantNone(t, "one served, one given up", b.ResetReceived(1, i+1, Reset{}))
	}
	b = newBudget(t, Config{ResetsReceived: Rate{Burst: 1}})
	for range mostServed + 1 {
		wantNone(t, "saved up", b.ResetReceived(1, 1<<40, Reset{}))
	}
	wantFault(t, "more", b.ResetReceived(1, 1<<40, Reset{}), "reset_flood", limitResetsReceived)
}

// Calls that were served earn refusals; refusals, which end in good order as well, earn none.
func TestRefused_EarnedByServedCalls(t *testing.T) {
	b := newBudget(t, Config{Refusals: Rate{Burst: 10}})
	served, ended := uint64(100), uint64(100)
	refused := func() *Fault {
		f := b.Refused(second, ended, 1)
		ended++
		return f
	}
	for range served - 1 + 10 { // one pays for the refusal that has not ended yet
		wantNone(t, "a hundred earned and the burst", refused())
	}
	wantFault(t, "more", refused(), "refused_flood", limitRefusals)
	ended++
	wantNone(t, "one more served", refused())
	wantFault(t, "more", refused(), "refused_flood", limitRefusals)

	b = newBudget(t, Config{Refusals: Rate{Burst: 50}})
	for range 5 {
		wantNone(t, "a tenth of the burst", b.Refused(second, 0, LongHead))
	}
	wantFault(t, "burst used up by long heads", b.Refused(second, 0, LongHead), "refused_flood", limitRefusals)
}

// A clock that is set back leaves allowances as they are.
func TestBudget_ClockThatIsSetBack(t *testing.T) {
	for _, step := range []time.Duration{time.Second, 20 * time.Second, 2 * time.Minute, 24 * time.Hour} {
		b := newBudget(t, Config{})
		now := int64(1_800_000_000e9)
		for range 1000 {
			wantNone(t, "before", b.Odd(now, OddAck))
			wantNone(t, "before", b.ResetCaused(now))
			now += second
		}
		now -= int64(step)
		for range 990 {
			wantNone(t, "set back", b.Odd(now, OddAck))
			wantNone(t, "set back", b.ResetCaused(now))
			wantNone(t, "set back", b.ResetReceived(now, 0, Reset{}))
		}
		wantNone(t, "set back", b.Settings(now, 1))
		wantNone(t, "set back", b.Ping(now, 1, 0))
		if d := b.Pause(now); d != 0 {
			t.Errorf("set back by %v: a pause of %v", step, d)
		}
	}
}
