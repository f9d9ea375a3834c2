package abuse

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

const second = int64(time.Second)

func newBudget(t testing.TB, cfg Config) *Budget {
	t.Helper()
	p, err := NewPolicy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := p.New()
	return &b
}

// wantFault checks a fault's token and limit, wantNone that there is none.
func wantFault(t *testing.T, why string, f *Fault, token, limit string) {
	t.Helper()
	if f == nil || string(f.Token) != token || f.Limit != limit || f.Code != frame.EnhanceYourCalm {
		t.Errorf("%s: fault %+v, want %s by %s with ENHANCE_YOUR_CALM", why, f, token, limit)
	}
}

func wantNone(t *testing.T, why string, f *Fault) {
	t.Helper()
	if f != nil {
		t.Fatalf("%s: fault %v, want none", why, f)
	}
}

// Each rate lets its default burst through at once, then its default rate, and then faults.
func TestBudget_Rates(t *testing.T) {
	for _, tt := range []struct {
		token, limit     string
		burst, perSecond int
		charge           func(b *Budget, now int64) *Fault
	}{
		{"unknown_frame_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Odd(now, OddUnknownType) }},
		{"priority_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Odd(now, OddPriority) }},
		{"ack_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Odd(now, OddAck) }},
		{"interim_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Odd(now, OddInterim) }},
		{"goaway_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Odd(now, OddGoAway) }},
		{"closed_stream_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Odd(now, OddClosedStream) }},
		{"tiny_data_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Data(now, 0, false) }},
		{"tiny_data_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.Data(now, 4, false) }},
		{"window_update_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault { return b.WindowUpdate(now, 0) }},
		{"empty_continuation_flood", limitOddFrames, 10_000, 330, func(b *Budget, now int64) *Fault {
			if f := b.Headers(10); f != nil {
				return f
			}
			return b.Continuation(now, 0, true)
		}},
		{"settings_flood", limitSettings, 16, 4, func(b *Budget, now int64) *Fault { return b.Settings(now, 1) }},
	} {
		b := newBudget(t, Config{})
		now := 5 * second
		for range tt.burst {
			wantNone(t, tt.token+" within the burst", tt.charge(b, now))
		}
		wantFault(t, "burst used up", tt.charge(b, now), tt.token, tt.limit)
		for range 3 * tt.perSecond {
			now += second/int64(tt.perSecond) + 1
			wantNone(t, tt.token+" within the rate", tt.charge(b, now))
		}
		wantFault(t, "rate used up", tt.charge(b, now), tt.token, tt.limit)
	}
}

// What well-behaved peers send any number of costs nothing.
func TestBudget_OrdinaryTrafficIsFree(t *testing.T) {
	b := newBudget(t, Config{OddFrames: Rate{Burst: 1}, Pings: Rate{Burst: 1}})
	for i := range uint64(100_000) {
		wantNone(t, "empty gRPC messages", b.Data(1, 5, false))
		wantNone(t, "half-closes", b.Data(1, 0, true))
		wantNone(t, "large data", b.Data(1, 16384, false))
		wantNone(t, "stream window for a frame we sent", b.WindowUpdate(1, i+1))
		wantNone(t, "connection window for a frame we sent", b.WindowUpdate(1, i+1))
		wantNone(t, "bandwidth probe for data we sent", b.Ping(1, 1, i+1))
		wantNone(t, "header blocks", b.Headers(100))
	}
}

func TestBudget_WindowUpdateCreditIsBounded(t *testing.T) {
	b := newBudget(t, Config{OddFrames: Rate{Burst: 1}})
	n := 0
	for b.WindowUpdate(1, 1<<40) == nil {
		n++
	}
	if want := mostCredit + 1; n != want {
		t.Errorf("%d WINDOW_UPDATEs for any number of frames, want %d", n, want)
	}
	for range creditPerFrame {
		wantNone(t, "one more frame sent", b.WindowUpdate(1, 1<<40+1))
	}
	wantFault(t, "its credit used up", b.WindowUpdate(1, 1<<40+1), "window_update_flood", limitOddFrames)
}

// TestBudget_Proxy: HAProxy cuts frames where its buffers end, and updates both windows for each
// piece. Through one, calls with large messages lost their connection after half a minute.
func TestBudget_Proxy(t *testing.T) {
	b := newBudget(t, Config{})
	for i := range uint64(100_000) {
		wantNone(t, "a piece", b.Data(1, 16381, false))
		wantNone(t, "the rest of it", b.Data(1, 3, false))
		for range 4 {
			wantNone(t, "window for a piece", b.WindowUpdate(1, i+1))
		}
	}
}

func TestBudget_TinyDataCredit(t *testing.T) {
	b := newBudget(t, Config{OddFrames: Rate{Burst: 1}})
	for range 2 * mostCredit {
		wantNone(t, "large data", b.Data(1, largeData, false))
	}
	for range mostCredit {
		wantNone(t, "a tiny frame for each of the last of them", b.Data(1, 1, false))
	}
	wantNone(t, "one more", b.Data(1, 1, false))
	wantFault(t, "and another", b.Data(1, 1, false), "tiny_data_flood", limitOddFrames)
	b = newBudget(t, Config{OddFrames: Rate{Burst: 1}})
	wantNone(t, "large data", b.Data(1, largeData, false))
	wantNone(t, "an empty frame", b.Data(1, 0, false))
	wantFault(t, "empty frames are nobody's rest", b.Data(1, 0, false), "tiny_data_flood", limitOddFrames)
}

func TestBudget_SettingsEntries(t *testing.T) {
	b := newBudget(t, Config{})
	wantNone(t, "32 entries", b.Settings(1, 32))
	wantFault(t, "33 entries", b.Settings(1, 33), "settings_entries", limitSettingsEntries)
}

func TestBudget_Control(t *testing.T) {
	b := newBudget(t, Config{})
	wantNone(t, "1000 queued", b.Control(1000))
	wantFault(t, "1001 queued", b.Control(1001), "control_queue", limitControlQueued)
	wantNone(t, "unlimited", newBudget(t, Config{ControlQueued: Unlimited}).Control(1<<30))
}

func TestGRFC_A8_PingStrikes(t *testing.T) {
	minutes := func(n int64) int64 { return 60 * second * n }
	type ping struct {
		after   int64 // since the one before
		streams int
		sent    uint64
	}
	for _, tt := range []struct {
		why   string
		cfg   Config
		pings []ping
		fault bool // at the last one
	}{
		{"at the interval", Config{}, []ping{{0, 1, 0}, {minutes(5), 1, 0}, {minutes(5), 1, 0}, {minutes(5), 1, 0}, {minutes(5), 1, 0}}, false},
		{"two strikes", Config{}, []ping{{0, 1, 0}, {minutes(4), 1, 0}, {minutes(4), 1, 0}}, false},
		{"three strikes", Config{}, []ping{{0, 1, 0}, {minutes(4), 1, 0}, {minutes(4), 1, 0}, {minutes(4), 1, 0}}, true},
		{"strikes stay while nothing is sent", Config{}, []ping{{0, 1, 0}, {minutes(4), 1, 0}, {minutes(4), 1, 0}, {minutes(5), 1, 0}, {minutes(4), 1, 0}}, true},
		{"sending forgives", Config{}, []ping{{0, 1, 0}, {minutes(4), 1, 0}, {minutes(4), 1, 0}, {minutes(4), 1, 1}, {minutes(4), 1, 1}, {minutes(4), 1, 1}}, false},
		{"sending does not stop later strikes", Config{}, []ping{{0, 1, 9}, {second, 1, 9}, {second, 1, 9}, {second, 1, 9}}, true},
		{"idle needs two hours", Config{}, []ping{{0, 0, 0}, {minutes(119), 0, 0}, {minutes(119), 0, 0}, {minutes(119), 0, 0}}, true},
		{"idle at two hours", Config{}, []ping{{0, 0, 0}, {minutes(120), 0, 0}, {minutes(120), 0, 0}, {minutes(120), 0, 0}}, false},
		{"idle where that is permitted", Config{PingWithoutStreams: true}, []ping{{0, 0, 0}, {minutes(5), 0, 0}, {minutes(5), 0, 0}, {minutes(5), 0, 0}}, false},
		{"own interval", Config{PingInterval: time.Minute, PingStrikes: 1}, []ping{{0, 1, 0}, {minutes(1), 1, 0}, {second, 1, 0}, {second, 1, 0}}, true},
		{"client: no strikes", Config{PingStrikes: Unlimited}, []ping{{0, 0, 0}, {second, 0, 0}, {second, 0, 0}, {second, 0, 0}, {second, 0, 0}}, false},
	} {
		b := newBudget(t, tt.cfg)
		now := int64(0) // the clock's origin must not matter
		for i, p := range tt.pings {
			now += p.after
			f := b.Ping(now, p.streams, p.sent)
			if i < len(tt.pings)-1 || !tt.fault {
				wantNone(t, tt.why, f)
				continue
			}
			wantFault(t, tt.why, f, "ping_strikes", limitPingStrikes)
			if f != nil && f.Debug != "too_many_pings" {
				t.Errorf("%s: debug data %q, want too_many_pings", tt.why, f.Debug)
			}
		}
	}
}

func TestBudget_PingFlood(t *testing.T) {
	b := newBudget(t, Config{PingStrikes: Unlimited})
	now := second
	for range 10 {
		wantNone(t, "burst", b.Ping(now, 1, 0))
	}
	for range 20 {
		now += second / 10
		wantNone(t, "ten a second", b.Ping(now, 1, 0))
	}
	f := b.Ping(now, 1, 0)
	wantFault(t, "more", f, "ping_flood", limitPings)
	if f.Debug != "too_many_pings" {
		t.Errorf("debug data %q, want too_many_pings", f.Debug)
	}
}

func TestBudget_Continuations(t *testing.T) {
	type piece struct {
		n, times int
	}
	for _, tt := range []struct {
		why    string
		cfg    Config
		pieces []piece // the very last ends the block
		token  string
		limit  string
	}{
		{"eight small", Config{}, []piece{{100, 7}, {0, 1}}, "", ""},
		{"nine small", Config{}, []piece{{100, 9}}, "small_continuation_flood", limitContinuations},
		{"nine empty", Config{}, []piece{{0, 9}}, "small_continuation_flood", limitContinuations},
		{"sixteen large", Config{BlockBytes: 1 << 20}, []piece{{8 << 10, 16}}, "", ""},
		{"fifteen large and a small last", Config{BlockBytes: 1 << 20}, []piece{{16 << 10, 15}, {1, 1}}, "", ""},
		{"a small one among large", Config{BlockBytes: 1 << 20}, []piece{{16 << 10, 4}, {8<<10 - 1, 1}, {16 << 10, 4}}, "small_continuation_flood", limitContinuations},
		{"seventeen large", Config{BlockBytes: 1 << 20}, []piece{{8 << 10, 17}}, "continuation_flood", limitLargeContinuations},
		{"64 KiB", Config{}, []piece{{64<<10 - 10, 1}}, "", ""},
		{"more than 64 KiB", Config{}, []piece{{64<<10 - 9, 1}}, "block_bytes", limitBlockBytes},
		{"unlimited", Config{Continuations: Unlimited, LargeContinuations: Unlimited, BlockBytes: Unlimited}, []piece{{100, 5000}}, "", ""},
		{"none allowed by nobody's default", Config{Continuations: 1, LargeContinuations: 1}, []piece{{100, 2}}, "continuation_flood", limitLargeContinuations},
	} {
		b := newBudget(t, tt.cfg)
		for range 2 { // a new block starts afresh
			wantNone(t, tt.why, b.Headers(10))
			var f *Fault
			for i, p := range tt.pieces {
				for k := range p.times {
					last := i == len(tt.pieces)-1 && k == p.times-1
					if f = b.Continuation(1, p.n, last); f != nil && !last {
						t.Fatalf("%s: fault %v before the last frame", tt.why, f)
					}
				}
			}
			if tt.token == "" {
				wantNone(t, tt.why, f)
			} else {
				wantFault(t, tt.why, f, tt.token, tt.limit)
			}
		}
	}
	wantFault(t, "HEADERS of 64 KiB and one", newBudget(t, Config{}).Headers(64<<10+1), "block_bytes", limitBlockBytes)
}

func TestNewPolicy_NamesEveryBadValue(t *testing.T) {
	_, err := NewPolicy(Config{
		ResetsReceived: Rate{Burst: MaxRate + 1},
		OddFrames:      Rate{Burst: 1, PerSecond: -1},
		Settings:       Rate{PerSecond: 1},
		PingInterval:   -1,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{limitResetsReceived, limitOddFrames, limitSettings, "PingInterval"} {
		if !strings.Contains(err.Error(), "limit "+want+":") {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), limitPings) {
		t.Errorf("error names Pings, which is fine: %v", err)
	}
}

func TestFault_NamesLimitAndValue(t *testing.T) {
	b := newBudget(t, Config{OddFrames: Rate{Burst: 1, PerSecond: 7}})
	b.Odd(1, OddPriority)
	want := "peer exceeded Limits.OddFrames (1 and 7/s): priority_flood"
	if got := b.Odd(1, OddPriority).Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestBudget_IsSmallAndFree(t *testing.T) {
	if n := unsafe.Sizeof(Budget{}); n > 144 {
		t.Errorf("a Budget takes %d bytes, want at most 144", n)
	}
	b := newBudget(t, Config{})
	now := int64(1)
	n := testing.AllocsPerRun(100, func() {
		now += second
		b.ResetReceived(now, 0, Reset{})
		b.Refused(now, 0, 1)
		b.Pause(now)
		b.Odd(now, OddPriority)
		b.Data(now, 0, false)
		b.WindowUpdate(now, 1)
		b.Settings(now, 1)
		b.Headers(10)
		b.Continuation(now, 10, true)
	})
	if n != 0 {
		t.Errorf("charging allocates %v times, want 0", n)
	}
}

func BenchmarkOdd(b *testing.B) {
	p, _ := NewPolicy(Config{OddFrames: Rate{Burst: 1000, PerSecond: 1e9}})
	budget := p.New()
	now := int64(1)
	for b.Loop() {
		now += 2
		if budget.Odd(now, OddPriority) != nil {
			b.Fatal("fault")
		}
	}
}

func BenchmarkData(b *testing.B) {
	p, _ := NewPolicy(Config{})
	budget := p.New()
	for b.Loop() {
		if budget.Data(1, 20, false) != nil {
			b.Fatal("fault")
		}
	}
}
