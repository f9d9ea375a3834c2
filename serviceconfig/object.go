package serviceconfig

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/naru-rpc/naru/codes"
)

// Object reads a JSON object strictly: each method names a key, tells whether it was there, and
// stores its value; what is wrong is collected with its place; keys nobody named are errors in the
// end. A null counts as absent, as in protobuf's JSON.
//
// Parsers of balancing policies get one for their configuration. Not safe for concurrent use.
type Object struct {
	path  string
	m     *members
	known []string
	p     *parser
}

// parser is what the objects of one text share.
type parser struct {
	policies Policies
	lenient  bool // unknown keys are no error: gRFC A21
	errs     []error
}

// maxErrors bounds what is reported of one text.
const maxErrors = 20

func (p *parser) bad(path, format string, args ...any) {
	if len(p.errs) < maxErrors {
		p.errs = append(p.errs, newError(path, fmt.Sprintf(format, args...)))
	}
}

// object makes an Object of n, or reports that it is none.
func (p *parser) object(path string, n node) (*Object, bool) {
	m, ok := n.(*members)
	if !ok {
		p.bad(path, "%s where an object should be", kind(n))
		return nil, false
	}
	return &Object{path: path, m: m, p: p}, true
}

// Path is where the object is, for errors of your own.
func (o *Object) Path() string { return o.path }

// Errorf reports a mistake in the value of key; "" for the object as a whole.
func (o *Object) Errorf(key, format string, args ...any) {
	o.p.bad(o.at(key), format, args...)
}

func (o *Object) at(key string) string {
	if key == "" {
		return o.path
	}
	return join(o.path, key)
}

// value returns the value of key, nil if there is none.
func (o *Object) value(key string) node {
	o.known = append(o.known, key)
	if v, ok := o.m.values[key]; ok {
		return v
	}
	return o.m.values[capital(key)]
}

// capital returns a key as published examples for Go write some: "MaxAttempts". It is the one other
// spelling that is taken.
func capital(key string) string {
	if key == "" || key[0] < 'a' || key[0] > 'z' {
		return key
	}
	return string(key[0]-'a'+'A') + key[1:]
}

// end reports the keys that nobody asked for.
func (o *Object) end() {
	if o.p.lenient {
		return
	}
	slices.Sort(o.known)
	for _, k := range o.m.keys {
		switch i := slices.IndexFunc(o.known, func(known string) bool { return k == known || k == capital(known) }); {
		case i < 0:
			o.p.bad(join(o.path, clip(k)), "%s", unknownKey(k, o.known))
		case k != o.known[i] && o.m.values[o.known[i]] != nil:
			o.p.bad(join(o.path, clip(k)), "the key is there twice, as %q too", o.known[i])
		}
	}
}

// Require reports those keys that are absent.
func (o *Object) Require(keys ...string) {
	for _, k := range keys {
		if o.m.values[k] == nil && o.m.values[capital(k)] == nil {
			o.Errorf(k, "it is missing")
		}
	}
}

// Bool reads true or false.
func (o *Object) Bool(key string, v *bool) bool {
	switch n := o.value(key).(type) {
	case nil:
	case bool:
		*v = n
		return true
	default:
		o.Errorf(key, "%s where true or false should be", kind(n))
	}
	return false
}

// String reads a string.
func (o *Object) String(key string, v *string) bool {
	switch n := o.value(key).(type) {
	case nil:
	case string:
		*v = n
		return true
	default:
		o.Errorf(key, "%s where a string should be", kind(n))
	}
	return false
}

// Float reads a number. Like protobuf's JSON it takes one in quotes too; infinities and NaN are
// errors.
func (o *Object) Float(key string, v *float64) bool {
	text, ok := o.number(key)
	if !ok {
		return false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		o.Errorf(key, "%q is not a number", clip(text))
		return false
	}
	*v = f
	return true
}

// Int reads an integer in [lo, hi]; like protobuf's JSON it takes 1e3, 3.0, and a number in quotes.
func (o *Object) Int(key string, v *int, lo, hi int) bool {
	text, ok := o.number(key)
	if !ok {
		return false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(text, 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			o.Errorf(key, "%s is not an integer", clip(text))
			return false
		}
		n = int64(f)
	}
	if n < int64(lo) || n > int64(hi) {
		o.Errorf(key, "%s", outOfRange(n, lo, hi))
		return false
	}
	*v = int(n)
	return true
}

func (o *Object) number(key string) (string, bool) {
	switch n := o.value(key).(type) {
	case nil:
	case json.Number:
		return n.String(), true
	case string:
		return n, true
	default:
		o.Errorf(key, "%s where a number should be", kind(n))
	}
	return "", false
}

// Duration reads a duration in protobuf's JSON form: "1.5s".
func (o *Object) Duration(key string, v *time.Duration) bool {
	switch n := o.value(key).(type) {
	case nil:
	case string:
		d, err := parseDuration(n)
		if err == nil {
			*v = d
			return true
		}
		o.Errorf(key, "%v", err)
	default:
		o.Errorf(key, "%s where a duration such as \"1.5s\" should be", kind(n))
	}
	return false
}

// Codes reads a list of status codes: numbers, or names in any case (gRFC A6).
func (o *Object) Codes(key string, v *[]codes.Code) bool {
	list, ok := o.list(key)
	if !ok {
		return false
	}
	for i, n := range list {
		if c, err := parseCode(n); err == nil {
			*v = append(*v, c)
		} else {
			o.p.bad(fmt.Sprintf("%s[%d]", o.at(key), i), "%v", err)
		}
	}
	return true
}

// Strings reads a list of strings.
func (o *Object) Strings(key string, v *[]string) bool {
	list, ok := o.list(key)
	if !ok {
		return false
	}
	for i, n := range list {
		if s, ok := n.(string); ok {
			*v = append(*v, s)
		} else {
			o.p.bad(fmt.Sprintf("%s[%d]", o.at(key), i), "%s where a string should be", kind(n))
		}
	}
	return true
}

// Object reads an object with f.
func (o *Object) Object(key string, f func(*Object)) bool {
	n := o.value(key)
	if n == nil {
		return false
	}
	sub, ok := o.p.object(o.at(key), n)
	if ok {
		f(sub)
		sub.end()
	}
	return ok
}

// Objects reads a list of objects with f.
func (o *Object) Objects(key string, f func(i int, o *Object)) bool {
	list, ok := o.list(key)
	for i, n := range list {
		if sub, ok := o.p.object(fmt.Sprintf("%s[%d]", o.at(key), i), n); ok {
			f(i, sub)
			sub.end()
		}
	}
	return ok
}

func (o *Object) list(key string) ([]node, bool) {
	switch n := o.value(key).(type) {
	case nil:
	case []node:
		return n, true
	default:
		o.Errorf(key, "%s where a list should be", kind(n))
	}
	return nil, false
}

func outOfRange(n int64, lo, hi int) string {
	if n < int64(lo) {
		return fmt.Sprintf("%d is less than %d", n, lo)
	}
	return fmt.Sprintf("%d is more than %d", n, hi)
}
