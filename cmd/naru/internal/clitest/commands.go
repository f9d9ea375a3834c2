package clitest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// commands returns what a line of a script can start with.
func commands() map[string]func(s *script, args []string) {
	return map[string]func(s *script, args []string){
		"naru":     (*script).naru,
		"exit":     (*script).exit,
		"stdout":   func(s *script, args []string) { s.output("stdout", s.stdout.String(), args) },
		"stderr":   func(s *script, args []string) { s.output("stderr", s.stderr.String(), args) },
		"cd":       func(s *script, args []string) { s.dir = filepath.Join(s.work, filepath.FromSlash(args[0])) },
		"exists":   func(s *script, args []string) { s.exist(args, true) },
		"absent":   func(s *script, args []string) { s.exist(args, false) },
		"contains": func(s *script, args []string) { s.contain(args, true) },
		"lacks":    func(s *script, args []string) { s.contain(args, false) },
		"copy":     (*script).copy,
		"link": func(s *script, args []string) {
			if err := os.Symlink(s.path(args[0]), s.path(args[1])); err != nil {
				s.fail("%v", err)
			}
		},
		"shop":      (*script).shop,
		"listen":    (*script).listen,
		"as":        (*script).as,
		"times":     func(s *script, _ []string) { s.maskTimes = true },
		"interrupt": func(s *script, args []string) { s.interruptAt = strings.Join(args, " ") },
		"stdin":     func(s *script, args []string) { s.input = strings.Join(args, " ") },
		"setenv":    (*script).setenv,
		"remove": func(s *script, args []string) {
			if err := os.RemoveAll(s.path(args[0])); err != nil {
				s.fail("%v", err)
			}
		},
	}
}

func (s *script) setenv(args []string) {
	if len(args) != 2 {
		s.fail("setenv: want a name and a value")
		return
	}
	if s.vars == nil {
		s.vars = map[string]string{}
	}
	s.vars[args[0]] = args[1]
}

func (s *script) path(p string) string { return filepath.Join(s.dir, filepath.FromSlash(p)) }

func (s *script) exist(paths []string, want bool) {
	for _, p := range paths {
		if _, err := os.Lstat(s.path(p)); (err == nil) != want {
			s.fail("%s exists: %t, want %t", p, err == nil, want)
		}
	}
}

func (s *script) contain(args []string, want bool) {
	if len(args) != 2 {
		s.fail("want a path and a text")
		return
	}
	data, err := os.ReadFile(s.path(args[0]))
	if err != nil {
		s.fail("%v", err)
	}
	if got := strings.Contains(string(data), args[1]); got != want {
		s.fail("%s contains %q: %t, want %t; it starts:\n%.400s", args[0], args[1], got, want, data)
	}
}

func (s *script) copy(args []string) {
	data, err := os.ReadFile(s.path(args[0]))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(s.path(args[1])), 0o777)
	}
	if err == nil {
		err = os.WriteFile(s.path(args[1]), data, 0o666)
	}
	if err != nil {
		s.fail("%v", err)
	}
}

// split cuts a line into words at spaces, with "..." for a word that has some.
func split(line string) ([]string, error) {
	var words []string
	for rest := strings.TrimSpace(line); rest != "" && rest[0] != '#'; rest = strings.TrimSpace(rest) {
		if rest[0] != '"' {
			word, after, _ := strings.Cut(rest, " ")
			words = append(words, word)
			rest = after
			continue
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil, fmt.Errorf("a quoted word does not end: %s", rest)
		}
		word, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		rest = rest[len(quoted):]
	}
	return words, nil
}
