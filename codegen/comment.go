package codegen

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

// SafeComment returns the text of a .proto file's comment, as a descriptor's source information has
// it, without what changes the meaning of Go source that quotes it after "//": byte order marks and
// NUL characters, which Go allows in no comment, and lines that are build constraints, which gofmt
// moves to the top of the file wherever they stand, or compiler directives. Other text is returned
// as it is.
func SafeComment(text string) string {
	text = illegal.Replace(text)
	if !strings.Contains(text, "+build") && !strings.Contains(text, "go:") && !strings.Contains(text, "line ") {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "+build"):
			lines[i] = strings.Replace(line, "+build", `\+build`, 1)
		case directive.MatchString(line):
			lines[i] = " " + line
		}
	}
	return strings.Join(lines, "\n")
}

// illegal removes characters that the Go specification lets compilers reject:
// https://go.dev/ref/spec#Source_code_representation.
var illegal = strings.NewReplacer("\uFEFF", "", "\x00", "")

// directive matches lines that are compiler directives right after "//":
// https://pkg.go.dev/cmd/compile#hdr-Compiler_Directives.
var directive = regexp.MustCompile(`^(go:[a-z]|line .*:[0-9])`)

// comment turns a comment of a .proto file, without its markers, into lines of a Go comment; "" for
// "".
func comment(text string) string {
	text = SafeComment(text)
	if strings.TrimSpace(text) == "" {
		return ""
	}
	var b strings.Builder
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		line = strings.TrimRight(line, " \t\r")
		b.WriteString("//")
		// Without the space a line such as "go:embed x" would turn from text into a directive.
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			b.WriteString(" ")
		}
		b.WriteString(line)
		b.WriteString("\n")
	}
	return b.String()
}

// doc joins the parts of a doc comment, each "" or whole lines, with an empty comment line between
// them.
func doc(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "//\n")
}

// deprecation returns the paragraph tools look for, or "".
func deprecation(deprecated bool, what, file string) string {
	if !deprecated {
		return ""
	}
	return "// Deprecated: " + what + " is marked as deprecated in " + file + ".\n"
}

// commentsOf returns the leading and the trailing comment of a declaration as parts for doc.
func commentsOf(set protogen.CommentSet) (leading, trailing string) {
	return comment(string(set.Leading)), comment(string(set.Trailing))
}
