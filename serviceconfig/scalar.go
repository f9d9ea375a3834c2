package serviceconfig

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/naru-rpc/naru/codes"
)

// parseDuration reads google.protobuf.Duration's JSON form: seconds with up to nine decimal places
// and an "s".
func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a duration; write seconds with an \"s\", such as \"1.5s\"", clip(s))
	body, ok := strings.CutSuffix(s, "s")
	if !ok {
		return 0, bad
	}
	body, negative := strings.CutPrefix(body, "-")
	whole, frac, hasFrac := strings.Cut(body, ".")
	if whole == "" && frac == "" || len(frac) > 9 || hasFrac && frac == "" || !digits(whole) || !digits(frac) {
		return 0, bad
	}
	// The type's own bound is +-315,576,000,000 s; time.Duration's is nearer.
	const limit = int64(1<<63-1) / int64(time.Second)
	var secs, nanos int64
	if whole != "" {
		n, err := strconv.ParseInt(whole, 10, 64)
		if err != nil || n >= limit {
			return 0, fmt.Errorf("%q is longer than %d s", clip(s), limit)
		}
		secs = n
	}
	if frac != "" {
		nanos, _ = strconv.ParseInt((frac + "000000000")[:9], 10, 64) // digits, as checked above
	}
	d := time.Duration(secs)*time.Second + time.Duration(nanos)
	if negative {
		d = -d
	}
	return d, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseCode reads a status code. gRFC A6: "specified in the integer form or the case-insensitive
// string form".
func parseCode(n node) (codes.Code, error) {
	switch v := n.(type) {
	case string:
		if c, err := codes.Parse(strings.ToUpper(v)); err == nil && !digits(v) {
			return c, nil
		}
		var all []string
		for c := codes.OK; c.Valid(); c++ {
			all = append(all, c.String())
		}
		if near := nearest(v, all); near != "" {
			return 0, fmt.Errorf("%q is not a status code; did you mean %q?", clip(v), near)
		}
		return 0, fmt.Errorf("%q is not a status code", clip(v))
	case json.Number:
		if i, err := strconv.ParseUint(v.String(), 10, 32); err == nil && codes.Code(i).Valid() {
			return codes.Code(i), nil
		}
		return 0, fmt.Errorf("%s is not a status code (0 to 16)", clip(v.String()))
	}
	return 0, fmt.Errorf("%s where a status code should be", kind(n))
}
