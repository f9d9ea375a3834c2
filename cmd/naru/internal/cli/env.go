// Package cli is what all verbs of the naru command share: the outside world as a value, the errors
// that carry an exit code, and the one place that turns an error into text on stderr and a code.
//
// A verb is a folder with a function
//
//	func New(env *cli.Env) *cobra.Command
//
// that reads flags into a plain struct, and a run function that takes that struct and the Env. run
// returns an error and never exits, prints errors or looks at the process by itself, so that tests
// drive it in process.
package cli

import (
	"io"
	"os"
	"path/filepath"
)

// Env is the outside world of a verb. Tests put their own in its place.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Dir is the folder relative paths of the command line start from; absolute.
	Dir string
	// Getenv looks up an environment variable; "" when unset.
	Getenv func(name string) string
	// Color tells that Stderr is a terminal that shows colours, ColorOut the same of Stdout. Escape
	// sequences go nowhere else.
	Color, ColorOut bool
}

// System returns the Env of this process.
func System() *Env {
	dir, err := os.Getwd()
	if err != nil {
		dir = string(filepath.Separator)
	}
	return &Env{
		Stdin:    os.Stdin,
		Stdout:   os.Stdout,
		Stderr:   os.Stderr,
		Dir:      dir,
		Getenv:   os.Getenv,
		Color:    colorful(os.Stderr, os.Getenv),
		ColorOut: colorful(os.Stdout, os.Getenv),
	}
}

// Path returns the file a path of the command line means: p itself if absolute, else p below Dir.
func (e *Env) Path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(e.Dir, p)
}

// colorful tells whether f takes colours: a character device, unless NO_COLOR
// (https://no-color.org: any value that is not empty) or TERM=dumb says no.
func colorful(f *os.File, getenv func(string) string) bool {
	if getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" || getenv("TERM") == "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
