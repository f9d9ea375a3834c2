package protosrc

import (
	"strings"
	"unicode/utf8"

	"github.com/naru-rpc/naru/cmd/naru/internal/diag"
)

// checkStructure returns one finding for a file whose braces do not pair up or that holds the
// markers of a merge. The parser would report the consequences, many lines away; nil if there is
// nothing of the kind.
func checkStructure(src *diag.Source, text string) *diag.Diagnostic {
	if d := conflictMarker(src, text); d != nil {
		return d
	}
	var open []int // offsets of braces
	suspect := -1  // an open brace before a declaration that starts a line
	first := true
	for t := (tokenizer{text: text}); t.next(); {
		word := t.token()
		statement := first
		first = word == ";" || word == "{" || word == "}"
		switch {
		case word == "{":
			open = append(open, t.start)
		case word == "}" && len(open) == 0:
			return &diag.Diagnostic{Place: src.Place(t.start, t.end), Message: "a closing brace without an opening one", Hint: "remove it, or look for a brace that closes too early above"}
		case word == "}":
			open = open[:len(open)-1]
		case len(open) > 0 && suspect < 0 && statement && lineStart(text, t.start) && isDeclaration(word):
			suspect = open[len(open)-1]
		}
	}
	if len(open) == 0 {
		return nil
	}
	at := open[len(open)-1]
	if suspect >= 0 {
		at = suspect
	}
	return &diag.Diagnostic{Place: src.Place(at, at+1), Message: "the brace that opens here is not closed", Hint: "add the missing }"}
}

func lineStart(text string, at int) bool { return at == 0 || text[at-1] == '\n' }

func isDeclaration(word string) bool {
	return word == "message" || word == "enum" || word == "service" || word == "extend"
}

// conflictMarker finds what a version control system writes into files that it could not merge.
func conflictMarker(src *diag.Source, text string) *diag.Diagnostic {
	for _, marker := range []string{"<<<<<<< ", ">>>>>>> "} {
		at := strings.Index("\n"+text, "\n"+marker)
		if at < 0 {
			continue
		}
		end := at + strings.IndexByte(text[at:]+"\n", '\n')
		return &diag.Diagnostic{Place: src.Place(at, end), Message: "a merge conflict that is not resolved", Hint: "keep one of the versions, or both, and remove the lines with <<<<<<<, ======= and >>>>>>>"}
	}
	return nil
}

// repairComments returns text with a question mark for each byte in comments that is not UTF-8.
// Comments of files that are only imported go nowhere.
func repairComments(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	out := []byte(text)
	for pos := 0; pos < len(text); {
		rest := text[pos:]
		switch {
		case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"):
			end := "\n"
			if rest[1] == '*' {
				end = "*/"
			}
			n := skipPast(rest, end, 2)
			repair(out[pos : pos+n])
			pos += n
		case rest[0] == '"' || rest[0] == '\'':
			pos += skipString(rest)
		default:
			pos++
		}
	}
	return string(out)
}

func repair(b []byte) {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			b[i] = '?'
		}
		i += size
	}
}
