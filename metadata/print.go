package metadata

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
)

// secret reports whether the values of a key must not be printed: credentials under their
// usual names. What these miss, a logging interceptor with a list of its own has to catch.
func secret(key string) bool {
	switch key {
	case "authorization", "proxy-authorization", "cookie", "set-cookie",
		"x-api-key", "api-key", "x-goog-api-key", "x-goog-iam-authorization-token":
		return true
	}
	name := strings.TrimSuffix(key, "-bin")
	return strings.HasSuffix(name, "token") || strings.HasSuffix(name, "secret") ||
		strings.HasSuffix(name, "password")
}

// display returns what may be shown of a value.
func display(key, value string) string {
	switch {
	case secret(key):
		return "[redacted]"
	case IsBinary(key):
		// Often a token or a trace context, and unreadable if it is neither.
		return "[" + strconv.Itoa(len(value)) + " bytes]"
	default:
		return value
	}
}

// String lists keys in order with their values. Values of authorization, cookies, API keys,
// tokens and the like are left out, and of binary values only the length is shown.
func (md MD) String() string {
	var b strings.Builder
	b.WriteString("map[")
	for i, key := range md.sortedKeys() {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(key)
		b.WriteString(":[")
		for j, v := range md[key] {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(display(lower(key), v))
		}
		b.WriteByte(']')
	}
	b.WriteByte(']')
	return b.String()
}

// Format makes every verb of package fmt print what String returns; %q quotes it. Without
// it, %v and %#v would reach into the map and print secrets.
func (md MD) Format(f fmt.State, verb rune) {
	if verb == 'q' {
		_, _ = f.Write(strconv.AppendQuote(nil, md.String()))
		return
	}
	_, _ = f.Write([]byte(md.String()))
}

// LogValue gives log/slog a group of the keys, with values left out as in String.
func (md MD) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(md))
	for _, key := range md.sortedKeys() {
		shown := make([]string, len(md[key]))
		for i, v := range md[key] {
			shown[i] = display(lower(key), v)
		}
		attrs = append(attrs, slog.String(key, strings.Join(shown, ", ")))
	}
	return slog.GroupValue(attrs...)
}
