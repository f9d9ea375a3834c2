package clitest

import (
	"bytes"
	"strings"
)

// archive is a text file that holds other files: a comment, then files that each start with a line
// "-- name --". The format is that of the txtar files of the Go project.
type archive struct {
	comment string
	files   []archiveFile
}

type archiveFile struct {
	name string
	data string
}

func parseArchive(text string) *archive {
	a := &archive{}
	var name string
	var data strings.Builder
	flush := func() {
		if name == "" {
			a.comment = data.String()
		} else {
			a.files = append(a.files, archiveFile{name, data.String()})
		}
		data.Reset()
	}
	for _, line := range strings.SplitAfter(text, "\n") {
		trimmed := strings.TrimRight(line, "\n")
		if inner, ok := strings.CutPrefix(trimmed, "-- "); ok {
			if n, ok := strings.CutSuffix(inner, " --"); ok {
				flush()
				name = strings.TrimSpace(n)
				continue
			}
		}
		data.WriteString(line)
	}
	flush()
	return a
}

func (a *archive) get(name string) (string, bool) {
	for _, f := range a.files {
		if f.name == name {
			return f.data, true
		}
	}
	return "", false
}

// set replaces a file, or adds it at the end.
func (a *archive) set(name, data string) {
	if data != "" && !strings.HasSuffix(data, "\n") {
		data += "\n"
	}
	for i := range a.files {
		if a.files[i].name == name {
			a.files[i].data = data
			return
		}
	}
	a.files = append(a.files, archiveFile{name, data})
}

func (a *archive) format() []byte {
	var b bytes.Buffer
	b.WriteString(a.comment)
	for _, f := range a.files {
		b.WriteString("-- " + f.name + " --\n" + f.data)
	}
	return b.Bytes()
}
