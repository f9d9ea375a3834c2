package gen

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// output is a file to write.
type output struct {
	path    string // absolute
	content []byte
	source  string // the .proto file, for messages
	remove  bool   // the file is to go: nothing is generated into it any more
	stale   bool   // the .proto file is gone; only with --clean the file goes too
}

// state tells what is between an output and the disk.
type state uint8

const (
	same state = iota
	missing
	differs
	leftover
	stale
)

// generatedLine marks generated files: https://go.dev/s/generatedcode.
var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

var crlf, lf = []byte("\r\n"), []byte("\n")

// compare looks at the disk. It refuses to replace Go code that people wrote.
func (o *output) compare() (state, error) {
	old, err := os.ReadFile(o.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing, nil
	case err != nil:
		return 0, err
	case o.stale:
		return stale, nil
	case o.remove:
		return leftover, nil
	case bytes.Equal(old, o.content), filepath.Ext(o.path) == ".go" && bytes.Equal(bytes.ReplaceAll(old, crlf, lf), o.content):
		return same, nil // git may check text out with other line ends
	case filepath.Ext(o.path) == ".go" && !generatedLine.Match(old):
		return 0, fmt.Errorf("%s exists and is not generated code: not overwritten", o.path)
	}
	return differs, nil
}

// write brings the disk up to date. A reader sees the old or the new file, never a part.
func (o *output) write() error {
	if o.remove {
		return os.Remove(o.path)
	}
	dir := filepath.Dir(o.path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, ".naru-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(o.content)
	// CreateTemp makes private files; the umask is not asked for, so take what compilers and
	// editors use.
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), o.path)
}

// leftovers returns the service files of earlier runs that this one does not write: their file has
// no services any more. Left alone, they would not compile. A run that does not write services
// beside messages knows nothing of those that lie there.
func (c *config) leftovers(outputs []output) []output {
	if c.only != "" || c.pkg == "own" {
		return nil
	}
	written := map[string]bool{}
	for _, o := range outputs {
		written[o.path] = true
	}
	var gone []output
	for _, o := range outputs {
		base, ok := bytes.CutSuffix([]byte(o.path), []byte(".pb.go"))
		services := string(base) + "_naru.pb.go"
		if !ok || written[services] {
			continue
		}
		if old, err := os.ReadFile(services); err == nil && bytes.Contains(old, []byte(serviceMarker)) {
			gone = append(gone, output{path: services, remove: true})
		}
	}
	return gone
}
