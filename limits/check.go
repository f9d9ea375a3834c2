package limits

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// Bounds of fields that have any. The largest header list times four, which is the hard limit, must
// be a number of 32 bits.
const (
	maxHeaderList = 1 << 28
	minWindow     = 65535 // RFC 9113 §6.9.2: a peer may use as much before it knows of less
	minMemory     = 64 << 10
	maxMemory     = 1 << 30
)

// Validate returns an error with a line for each field that is out of its bounds; nil if there is
// none.
func (l Limits) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if l.MaxHeaderListSize > maxHeaderList {
		bad("MaxHeaderListSize %d: want at most %d", l.MaxHeaderListSize, maxHeaderList)
	}
	if int64(l.MaxConcurrentStreams) > math.MaxInt32 {
		bad("MaxConcurrentStreams %d: want at most %d, or negative for no limit", l.MaxConcurrentStreams, math.MaxInt32)
	}
	if l.MaxAttempts < 0 {
		bad("MaxAttempts %d: want 1 or more, or 0 for the default", l.MaxAttempts)
	}
	if n := l.StreamWindow; n != 0 && (n < minWindow || n > maxMemory) {
		bad("StreamWindow %d: want %d to %d, or 0 for the default", n, minWindow, maxMemory)
	}
	if n := l.ReceiveMemory; n != 0 && (n < minMemory || n > maxMemory) {
		bad("ReceiveMemory %d: want %d to %d, or 0 for the default", n, minMemory, maxMemory)
	}
	if n := l.ServerMemory; n > 0 && n < minMemory {
		bad("ServerMemory %d: want at least %d, 0 for the default, or negative for no limit", n, minMemory)
	}
	for _, r := range []struct {
		name string
		rate Rate
	}{
		{"ResetsReceived", l.ResetsReceived}, {"ResetsCaused", l.ResetsCaused}, {"OddFrames", l.OddFrames},
		{"Refusals", l.Refusals}, {"Settings", l.Settings}, {"Pings", l.Pings},
	} {
		if !r.rate.valid() {
			bad("%s: %d and %d/s out of range: the burst is 1 to %d or negative, the rate 0 to %d",
				r.name, r.rate.Burst, r.rate.PerSecond, MaxRate, MaxRate)
		}
	}
	return errors.Join(errs...)
}

func (r Rate) valid() bool {
	return r == Rate{} || r.Burst != 0 && r.Burst <= MaxRate && r.PerSecond >= 0 && r.PerSecond <= MaxRate
}

// Merge returns l with every field of over that is not zero in place of its own.
func (l Limits) Merge(over Limits) Limits {
	to, from := reflect.ValueOf(&l).Elem(), reflect.ValueOf(over)
	for i := range from.NumField() {
		if f := from.Field(i); !f.IsZero() {
			to.Field(i).Set(f)
		}
	}
	return l
}

// CheckOnly returns an error that names the fields of l that are set and not among fields; nil if
// there are none. It is for limits of a method or a call, for which only some fields make sense.
func (l Limits) CheckOnly(fields ...string) error {
	var others []string
	v := reflect.ValueOf(l)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; !v.Field(i).IsZero() && !slices.Contains(fields, name) {
			others = append(others, name)
		}
	}
	if others == nil {
		return nil
	}
	return fmt.Errorf("%s cannot be set here; only %s can", strings.Join(others, ", "), strings.Join(fields, ", "))
}
