package layers

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Comments are read in columns of text, in editors side by side and in reviews. A line of code with
// a comment behind it and preformatted text may be a little wider.
const (
	maxCommentWidth  = 100
	maxOtherComments = 120
	tabWidth         = 4
)

var (
	reflow     = flag.Bool("reflow", false, "wrap the comments that are too wide, in the files themselves")
	reflowOnly = flag.String("reflow-only", "", "wrap only in files whose path begins with this")
)

// wideList holds the files that were written before the rule, with the number of their wide lines.
// No number may grow. With -reflow the list is written again.
const wideList = "testdata/wide-comments.txt"

// TestCommentWidth: no line of a comment ends beyond the last column. With -reflow it wraps those
// that do.
func TestCommentWidth(t *testing.T) {
	allowed := readWideList(t)
	var left strings.Builder
	for _, s := range readSources(t) {
		if s.generated() {
			continue
		}
		if *reflow && strings.HasPrefix(s.path, *reflowOnly) && len(wideComments(s)) > 0 {
			file := filepath.Join(root(t), filepath.FromSlash(s.path))
			if err := os.WriteFile(file, []byte(reflowed(s)), 0o644); err != nil {
				t.Fatal(err)
			}
			s = parse(t, s.path, reflowed(s))
		}
		wide := wideComments(s)
		if *reflow && len(wide) > 0 {
			fmt.Fprintf(&left, "%s %d\n", s.path, len(wide))
		}
		if n := allowed[s.path]; len(wide) > n && !*reflow {
			t.Errorf("%s: %d lines of comments are too wide, want at most %d: lines %v; "+
				"go test ./internal/layers -run CommentWidth -args -reflow -reflow-only %[1]s wraps what does not stand behind code",
				s.path, len(wide), n, wide)
		}
	}
	if *reflow {
		if err := os.WriteFile(wideList, []byte(left.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// readWideList returns how many wide lines a file may have.
func readWideList(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(wideList)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]int{}
	for line := range strings.Lines(string(text)) {
		path, count, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			t.Fatalf("%s: %q: want a path and a number", wideList, line)
		}
		allowed[path] = n
	}
	return allowed
}

func TestWideCommentsAreFound(t *testing.T) {
	long := strings.Repeat("word ", 20) // 100 columns with the last space
	for _, tc := range []struct {
		text string
		want int
	}{
		{"package p\n\n// " + long + "\nvar x int", 1},
		{"package p\n\n// " + long[:97] + "\nvar x int", 0},
		{"package p\n\nfunc f() {\n\t\t// " + long[:94] + "\n}", 1},
		{"package p\n\nvar x int // " + long, 0},
		{"package p\n\nvar x int // " + long + long, 1},
		{"package p\n\n//\tx " + long + "\nvar x int", 0},
		{"package p\n\n//\tx " + long + long + "\nvar x int", 1},
		{"package p\n\n/*\n" + long + "x\nshort\n" + long + "x\n*/\nvar x int", 2},
		{"package p\n\nvar x = `\n// " + long + "\n`", 0},
		{"package p\n\n// https://example.com/" + strings.Repeat("x", 100) + "\nvar x int", 0},
		{"package p\n\n//go:generate " + long + "\nvar x int", 0},
		{"package p\n\nfunc ExampleF() {\n\t// Output:\n\t// " + long + "\n}", 0},
	} {
		if got := wideComments(parse(t, "p_test.go", tc.text)); len(got) != tc.want {
			t.Errorf("%q: lines %v, want %d of them", tc.text, got, tc.want)
		}
	}
}

func TestReflow(t *testing.T) {
	long := strings.Repeat("word ", 19)
	const in, out = `package p

// %[1]send of it.
// The rest.
//
//	code that stays %[1]s
//
//  - an item %[1]send
//    of two lines
//  - another
//
// Kept
// as it is.
var x int
`, `package p

// %[1]s
// end of it. The rest.
//
//	code that stays %[2]s
//
//  - an item %[3]s
//    word word end of two lines
//  - another
//
// Kept
// as it is.
var x int
`
	got := reflowed(parse(t, "p.go", fmt.Sprintf(in, long)))
	if want := fmt.Sprintf(out, strings.TrimSpace(long), long, strings.TrimSpace(strings.Repeat("word ", 17))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// wideComments returns the lines with a comment that ends beyond the last column. Directives and
// expected output stand as they have to; a word that is too long, such as a link, cannot be
// wrapped.
func wideComments(s *source) []int {
	lines := strings.Split(string(s.text), "\n")
	var wide []int
	for _, group := range s.file.Comments {
		if isOutput(s, group) {
			continue
		}
		for _, c := range group.List {
			from, to := s.fset.Position(c.Pos()).Line, s.fset.Position(c.End()).Line
			for n := from; n <= to; n++ {
				line := strings.TrimRight(lines[n-1], "\r")
				text, limit := line, maxCommentWidth
				if n == from {
					code, comment := line[:s.fset.Position(c.Pos()).Column-1], line[s.fset.Position(c.Pos()).Column-1:]
					text = comment
					if strings.TrimSpace(code) != "" || preformatted.MatchString(comment) {
						limit = maxOtherComments
					}
				}
				if width(strings.TrimRight(line, " \t")) > limit && !directive.MatchString(text) && len(strings.Fields(text)) > 2 {
					wide = append(wide, n)
				}
			}
		}
	}
	return wide
}

var preformatted = regexp.MustCompile(`^//(\s*\t|  +[^\s\-*•0-9])`)

var directive = regexp.MustCompile(`^//[a-z]+:[a-z]|^//nolint|^// \+build`)

// isOutput reports whether a comment is what an example is expected to print.
func isOutput(s *source, group *ast.CommentGroup) bool {
	return s.test() && regexp.MustCompile(`(?i)^\s*(unordered )?output:`).MatchString(group.Text())
}

// width returns how many columns a line takes.
func width(line string) int {
	n := 0
	for _, r := range line {
		if r == '\t' {
			n += tabWidth - n%tabWidth
		} else {
			n++
		}
	}
	return n
}

// reflowed returns the text of a file with the comments wrapped that are too wide: those that stand
// on lines of their own. Paragraphs without a wide line stay as they are, as does preformatted
// text.
func reflowed(s *source) string {
	wide := map[int]bool{}
	for _, n := range wideComments(s) {
		wide[n] = true
	}
	own := map[int]bool{} // lines that hold nothing but a // comment
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			p := s.fset.Position(c.Pos())
			if strings.HasPrefix(c.Text, "//") && strings.TrimSpace(lineOf(s, c.Pos())[:p.Column-1]) == "" {
				own[p.Line] = true
			}
		}
	}
	lines := strings.Split(string(s.text), "\n")
	var out []string
	for n := 1; n <= len(lines); {
		end := n
		for end <= len(lines) && own[end] && sameParagraph(lines, n, end) {
			end++
		}
		if end == n {
			end++
		}
		paragraph, hasWide := lines[n-1:end-1], false
		for i := n; i < end; i++ {
			hasWide = hasWide || wide[i] && own[i]
		}
		if hasWide {
			paragraph = wrap(paragraph)
		}
		out = append(out, paragraph...)
		n = end
	}
	return strings.Join(out, "\n")
}

func lineOf(s *source, pos token.Pos) string {
	return strings.Split(string(s.text), "\n")[s.fset.Position(pos).Line-1]
}

var (
	commentLine = regexp.MustCompile(`^(\s*//)(\s*)(.*)$`)
	listItem    = regexp.MustCompile(`^(?:[-*•]|\d+[.)]) +`)
)

// sameParagraph reports whether line number at of a run of comment lines that starts with number
// from belongs to one paragraph or one item of a list with it.
func sameParagraph(lines []string, from, at int) bool {
	if at == from {
		return true
	}
	first, this := commentLine.FindStringSubmatch(lines[from-1]), commentLine.FindStringSubmatch(lines[at-1])
	if first == nil || this == nil || first[1] != this[1] || this[3] == "" || first[3] == "" || listItem.MatchString(this[3]) {
		return false
	}
	if listItem.MatchString(first[3]) {
		return len(this[2]) > len(first[2]) && !strings.Contains(this[2], "\t")
	}
	return this[2] == first[2]
}

// wrap fills the lines of one paragraph. Text indented by a tab, or by spaces without a list's
// mark, is preformatted.
func wrap(paragraph []string) []string {
	first := commentLine.FindStringSubmatch(paragraph[0])
	mark := listItem.FindString(first[3])
	if strings.Contains(first[2], "\t") || mark == "" && len(first[2]) > 1 || strings.HasPrefix(first[3], "#") {
		return paragraph
	}
	head := first[1] + first[2] + mark
	indent := first[1] + first[2] + strings.Repeat(" ", len(mark))
	var words []string
	for i, line := range paragraph {
		text := commentLine.FindStringSubmatch(line)[3]
		if i == 0 {
			text = strings.TrimPrefix(text, mark)
		}
		words = append(words, strings.Fields(text)...)
	}
	var out []string
	line := head + words[0]
	for _, word := range words[1:] {
		if next := line + " " + word; width(next) <= maxCommentWidth {
			line = next
			continue
		}
		out = append(out, line)
		line = indent + word
	}
	return append(out, line)
}
