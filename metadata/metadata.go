package metadata

import (
	"fmt"
	"maps"
	"slices"
)

// MD maps lower-case keys to their values. Use its methods rather than indexing with keys
// that may have capitals. Like any map it is not safe for concurrent use with a writer.
type MD map[string][]string

// New returns an MD with one value per key.
func New(m map[string]string) MD {
	md := make(MD, len(m))
	for k, v := range m {
		md.Append(k, v)
	}
	return md
}

// Pairs returns an MD of alternating keys and values. It panics if there is a key without a
// value, which is a mistake in the program's text.
func Pairs(kv ...string) MD {
	mustPair("Pairs", kv)
	md := make(MD, len(kv)/2)
	for i := 0; i < len(kv); i += 2 {
		md.Append(kv[i], kv[i+1])
	}
	return md
}

func mustPair(function string, kv []string) {
	if len(kv)%2 == 1 {
		panic(fmt.Sprintf("metadata: %s: key %q has no value", function, kv[len(kv)-1]))
	}
}

// Join returns an MD with the values of all mds, in their order. It shares nothing with them.
func Join(mds ...MD) MD {
	out := make(MD)
	for _, md := range mds {
		for k, v := range md {
			out.Append(k, v...)
		}
	}
	return out
}

// Len returns the number of keys.
func (md MD) Len() int { return len(md) }

// Copy returns an MD that shares nothing with md, its keys lowered. The copy of nil is empty,
// not nil.
func (md MD) Copy() MD {
	var n int
	for _, v := range md {
		n += len(v)
	}
	out := make(MD, len(md))
	all := make([]string, 0, n) // one array for the values of all keys
	for k, v := range md {
		k = lower(k)
		if len(v) == 0 {
			continue
		}
		if _, taken := out[k]; taken { // "K" and "k", by hand
			out.Append(k, v...)
			continue
		}
		from := len(all)
		all = append(all, v...)
		out[k] = all[from:len(all):len(all)]
	}
	return out
}

// Get returns the values of key, nil if there are none. The slice is md's own.
func (md MD) Get(key string) []string { return md[lower(key)] }

// First returns the first value of key, "" if there is none.
func (md MD) First(key string) string {
	if v := md[lower(key)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set makes values the values of key; without values it does nothing.
func (md MD) Set(key string, values ...string) {
	if len(values) > 0 {
		md[lower(key)] = slices.Clone(values)
	}
}

// Append adds values to those of key.
func (md MD) Append(key string, values ...string) {
	if len(values) > 0 {
		key = lower(key)
		// Clipped, so that two MDs that share a slice never write into each other.
		md[key] = append(slices.Clip(md[key]), values...)
	}
}

// Delete removes key.
func (md MD) Delete(key string) { delete(md, lower(key)) }

// sortedKeys is for texts that should not change from one run to the next.
func (md MD) sortedKeys() []string { return slices.Sorted(maps.Keys(md)) }

// lower is strings.ToLower for ASCII: metadata keys have nothing else, and a key that does
// is refused by Validate and must not turn into a valid one (U+212A KELVIN SIGN lowers to k).
func lower(key string) string {
	for i := 0; i < len(key); i++ {
		if c := key[i]; 'A' <= c && c <= 'Z' {
			b := []byte(key)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return key
}
