// Package brief cuts texts that others have chosen, peers above all, before they become part of an
// error, a status message or a log line: what is not bounded there fills trailers, logs and memory.
package brief

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Most is a good measure for one such text in an error.
const Most = 200

// Text returns s if it has at most n bytes, and otherwise its beginning, cut before a character,
// with its length. The result is valid UTF-8 if s was cut.
func Text(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := max(n, 0)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(s[:cut], "?"), len(s))
}

// Quote is Text with Most as limit, quoted as %q does.
func Quote(s string) string {
	if len(s) <= Most {
		return fmt.Sprintf("%q", s)
	}
	cut := Text(s, Most)
	end := strings.LastIndex(cut, "...")
	return fmt.Sprintf("%q%s", cut[:end], cut[end:])
}
