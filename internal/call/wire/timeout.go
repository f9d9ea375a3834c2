package wire

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// The grpc-timeout header, PROTOCOL-HTTP2.md:
//
//	Timeout → "grpc-timeout" TimeoutValue TimeoutUnit
//	TimeoutValue → {positive integer as ASCII string of at most 8 digits}
//	TimeoutUnit → Hour / Minute / Second / Millisecond / Microsecond / Nanosecond
//	            → "H" / "M" / "S" / "m" / "u" / "n"

// MaxTimeoutDigits bounds a TimeoutValue.
const MaxTimeoutDigits = 8

var errTimeoutSyntax = errors.New("grpc-timeout is not 1 to 8 digits and one of H M S m u n")

// ParseTimeout reads a grpc-timeout value. Values beyond the range of a Duration (2 562 047 hours)
// are cut to it: the peer means "practically never". 0 is accepted, since peers whose
// deadline has just passed send it.
func ParseTimeout(s string) (time.Duration, error) {
	if len(s) < 2 || len(s) > MaxTimeoutDigits+1 {
		return 0, errTimeoutSyntax
	}
	var unit time.Duration
	switch s[len(s)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, errTimeoutSyntax
	}
	var n int64
	for i := 0; i < len(s)-1; i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, errTimeoutSyntax
		}
		n = n*10 + int64(d)
	}
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64, nil
	}
	return time.Duration(n) * unit, nil
}

// timeoutUnits run from fine to coarse; ratio is to the next coarser one.
var timeoutUnits = [...]struct {
	letter byte
	unit   time.Duration
	ratio  int64
}{
	{'n', time.Nanosecond, 1000},
	{'u', time.Microsecond, 1000},
	{'m', time.Millisecond, 1000},
	{'S', time.Second, 60},
	{'M', time.Minute, 60},
	{'H', time.Hour, 0},
}

// AppendTimeout appends d as a grpc-timeout value in the finest unit that 8 digits can hold, and in
// a coarser one where that says the same. It rounds up, so that the peer never gives up before
// this side does. Not positive: "0n".
func AppendTimeout(b []byte, d time.Duration) []byte {
	if d <= 0 {
		return append(b, '0', 'n')
	}
	const limit = 1e8 // one more than 8 digits can say
	i, v := 0, int64(d)
	for ; i < len(timeoutUnits)-1 && v >= limit; i++ {
		v = ceilDiv(int64(d), int64(timeoutUnits[i+1].unit))
	}
	for i < len(timeoutUnits)-1 && v%timeoutUnits[i].ratio == 0 {
		v /= timeoutUnits[i].ratio
		i++
	}
	return append(strconv.AppendInt(b, v, 10), timeoutUnits[i].letter)
}

func ceilDiv(n, by int64) int64 {
	q := n / by
	if n%by > 0 {
		q++
	}
	return q
}
