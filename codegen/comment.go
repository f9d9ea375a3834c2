package codegen

import (
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

// comment turns a comment of a .proto file, without its markers, into lines of a Go comment; "" for "".
func comment(text string) string {
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

// doc joins the parts of a doc comment, each "" or whole lines, with an empty comment line between them.
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
