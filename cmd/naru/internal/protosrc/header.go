package protosrc

import (
	"strconv"
	"strings"
)

// Header is what stands at the top level of a file before it is parsed: enough to find out under
// which name imports mean the file, and where its code belongs.
type Header struct {
	// Package is the package name, "" for none.
	Package string
	// GoPackage is the value of option go_package, "" for none.
	GoPackage string
	// Imports are the names in the import statements, in order.
	Imports []string
}

// ReadHeader scans a file's text. It reads files with errors as well as it can: the compiler
// reports those.
func ReadHeader(text string) Header {
	var h Header
	var statement []string
	depth := 0
	for t := (tokenizer{text: strings.TrimPrefix(text, "\uFEFF")}); t.next(); {
		switch token := t.token(); token {
		case "{":
			depth++
			statement = nil
		case "}":
			depth = max(depth-1, 0)
			statement = nil
		case ";":
			if depth == 0 {
				h.add(statement)
			}
			statement = nil
		default:
			if depth == 0 {
				statement = append(statement, token)
			}
		}
	}
	return h
}

// add takes in one statement of the top level, without its semicolon.
func (h *Header) add(s []string) {
	switch {
	case len(s) < 2:
	case s[0] == "package" && h.Package == "":
		h.Package = strings.Join(s[1:], "")
	case s[0] == "import":
		if s[1] == "public" || s[1] == "weak" || s[1] == "option" {
			s = s[1:]
		}
		if name, ok := stringValue(s[1:]); ok {
			h.Imports = append(h.Imports, name)
		}
	case s[0] == "option" && len(s) > 3 && s[1] == "go_package" && s[2] == "=":
		h.GoPackage, _ = stringValue(s[3:])
	}
}

// stringValue returns the value of adjacent string literals.
func stringValue(tokens []string) (string, bool) {
	var b strings.Builder
	for _, t := range tokens {
		if len(t) < 2 || t[0] != '"' && t[0] != '\'' || t[len(t)-1] != t[0] {
			return "", false
		}
		body := t[1 : len(t)-1]
		if unquoted, err := strconv.Unquote(`"` + body + `"`); err == nil {
			body = unquoted
		}
		b.WriteString(body)
	}
	return b.String(), len(tokens) > 0
}

// tokenizer cuts a text into tokens, past white space and comments. Identifiers with their dots and
// numbers are one token each, as are strings with their quotes; anything else is a token of one
// byte.
type tokenizer struct {
	text       string
	start, end int // of the current token
}

// next goes to the next token and reports whether there is one.
func (t *tokenizer) next() bool {
	pos := t.end
	for pos < len(t.text) {
		rest := t.text[pos:]
		switch {
		case strings.HasPrefix(rest, "//"):
			pos += skipPast(rest, "\n", 2)
		case strings.HasPrefix(rest, "/*"):
			pos += skipPast(rest, "*/", 2)
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			pos++
		default:
			t.start, t.end = pos, pos+tokenLength(rest)
			return true
		}
	}
	t.start, t.end = pos, pos
	return false
}

// token returns the current token.
func (t *tokenizer) token() string { return t.text[t.start:t.end] }

func tokenLength(text string) int {
	if text[0] == '"' || text[0] == '\'' {
		return skipString(text)
	}
	n := 0
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	return max(n, 1)
}

func isNameByte(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
