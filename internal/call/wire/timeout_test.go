package wire

import (
	"math"
	"testing"
	"time"
)

func TestParseTimeout(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Duration
		bad  bool
	}{
		{in: "1H", want: time.Hour},
		{in: "2M", want: 2 * time.Minute},
		{in: "3S", want: 3 * time.Second},
		{in: "4m", want: 4 * time.Millisecond},
		{in: "5u", want: 5 * time.Microsecond},
		{in: "6n", want: 6 * time.Nanosecond},
		{in: "0S", want: 0},
		{in: "00000001S", want: time.Second},
		{in: "99999999n", want: 99999999},
		{in: "99999999S", want: 99999999 * time.Second},
		{in: "99999999H", want: math.MaxInt64}, // 11,415 years do not fit
		{in: "2562047H", want: 2562047 * time.Hour},
		{in: "2562048H", want: math.MaxInt64},
		{in: "", bad: true},
		{in: "S", bad: true},
		{in: "1", bad: true},
		{in: "1s", bad: true}, // units are case-sensitive
		{in: "-1S", bad: true},
		{in: "+1S", bad: true},
		{in: "1.5S", bad: true},
		{in: " 1S", bad: true},
		{in: "1 S", bad: true},
		{in: "123456789n", bad: true}, // nine digits
		{in: "١S", bad: true},
	} {
		got, err := ParseTimeout(tt.in)
		if (err != nil) != tt.bad || got != tt.want {
			t.Errorf("ParseTimeout(%q) = %v, %v; want %v, error %v", tt.in, got, err, tt.want, tt.bad)
		}
	}
}

func TestAppendTimeout(t *testing.T) {
	for _, tt := range []struct {
		in   time.Duration
		want string
	}{
		{0, "0n"},
		{-1, "0n"},
		{1, "1n"},
		{999, "999n"},
		{1000, "1u"},
		{1001, "1001n"},
		{99999999, "99999999n"},
		{100000000, "100m"},
		{100000001, "100001u"}, // rounded up
		{time.Second, "1S"},
		{time.Second + 1, "1000001u"},
		{100 * time.Second, "100S"},
		{90 * time.Second, "90S"},
		{time.Minute, "1M"},
		{time.Hour, "1H"},
		{25 * time.Hour, "25H"},
		{math.MaxInt64, "2562048H"},
	} {
		if got := string(AppendTimeout(nil, tt.in)); got != tt.want {
			t.Errorf("AppendTimeout(%v) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzTimeout(f *testing.F) {
	for _, d := range []int64{0, 1, 999999999, math.MaxInt64, -5, int64(time.Hour)} {
		f.Add(d, "1S")
	}
	f.Fuzz(func(t *testing.T, n int64, s string) {
		d := time.Duration(n)
		text := string(AppendTimeout(nil, d))
		back, err := ParseTimeout(text)
		if err != nil {
			t.Fatalf("AppendTimeout(%d) = %q does not parse: %v", n, text, err)
		}
		// Never shorter, and longer by less than one part in a million or one unit.
		if d > 0 && (back < d || float64(back-d) > float64(d)*1e-6+3.7e12 && back-d > time.Hour) {
			t.Fatalf("%v became %q, which is %v", d, text, back)
		}
		if parsed, err := ParseTimeout(s); err == nil && parsed < 0 {
			t.Fatalf("ParseTimeout(%q) = %v", s, parsed)
		}
	})
}
