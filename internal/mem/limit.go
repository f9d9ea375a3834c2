package mem

import (
	"math"
	"runtime/debug"
)

// Limit returns how much memory the process may use: GOMEMLIMIT, its control group's limit, or the
// machine's memory, whichever is least. 0: not known.
func Limit() int64 {
	n := int64(min(available(), math.MaxInt64))
	if soft := debug.SetMemoryLimit(-1); soft < math.MaxInt64 && (n == 0 || soft < n) {
		return soft
	}
	return n
}
