// Package clitest runs scripts against the naru command in process and compares exit codes, stdout
// and stderr.
//
// A script is a file of commands, followed by the files it starts with and the output it expects,
// in the form of txtar. Each script runs in a folder of its own. The commands, one per line, # for
// comments:
//
//	naru args ...        run the command line; quote an argument with "..." as in Go
//	exit N               the last run's exit code; without this line it has to be 0
//	stdout name          its stdout equals the archive's file name; "-" for empty. $WORK stands for the folder
//	stderr name          the same of stderr
//	cd folder            go on below $WORK/folder
//	exists path ...      files that have to be there
//	absent path ...      files that must not
//	contains path "text" a file that has to have text in it
//	lacks path "text"    a file that must not
//	copy from to         copy a file
//	remove path          remove a file or folder
//	as name args ...     run the command line as a program of that name
//	times                from here on, durations and milliseconds in output are compared as $TIME
//	interrupt "text"     interrupt the next run when its output has text in it
//	shop [option ...]    serve the shop until the script ends, with reflection and health; $ADDR stands for its
//	                     address in arguments and in output. Options: tls and mtls (ca.pem, client.pem and
//	                     client-key.pem are made), spiffe (tls with a SPIFFE ID instead of names), unix,
//	                     bare (no health, no reflection), sick (ecommerce.OrderManagement is NOT_SERVING)
//	listen [text]        accept connections and send a text on each; $ADDR stands for the address
//	stdin "text"         what the next run reads
//	setenv NAME value    set a variable of the runs' environment
//
// With the test flag -update, expected output is rewritten.
package clitest

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
)

var update = flag.Bool("update", false, "rewrite the expected output of scripts")

// Run runs every script that matches pattern, each as a parallel subtest.
func Run(t *testing.T, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts at %s (%v)", pattern, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runFile(t, file)
		})
	}
}

func runFile(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, file: file, archive: parseArchive(string(data)), work: t.TempDir()}
	s.dir = s.work
	for _, f := range s.archive.files {
		path := filepath.Join(s.work, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for i, line := range strings.Split(s.archive.comment, "\n") {
		s.line = i + 1
		s.step(line)
	}
	s.checkCode()
	if *update {
		if err := os.WriteFile(file, s.archive.format(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// script is one run of a file. Used by one goroutine.
type script struct {
	t       *testing.T
	file    string
	line    int
	archive *archive
	work    string // the script's folder
	dir     string // where commands start

	addr  string            // $ADDR
	input string            // of the next run
	vars  map[string]string // the environment

	maskTimes   bool
	interruptAt string // of the next run

	// of the last run of naru
	ran            bool
	checked        bool
	code           int
	stdout, stderr bytes.Buffer
}

// fail reports at the script's line.
func (s *script) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Errorf("%s:%d: "+format, append([]any{s.file, s.line}, args...)...)
}

func (s *script) step(line string) {
	words, err := split(line)
	if err != nil {
		s.fail("%v", err)
		return
	}
	if len(words) == 0 {
		return
	}
	run, ok := commands()[words[0]]
	if !ok {
		s.fail("no command %q", words[0])
		return
	}
	for i, word := range words {
		words[i] = strings.ReplaceAll(word, "$ADDR", s.addr)
	}
	run(s, words[1:])
}

// naru runs a command line in process.
func (s *script) naru(args []string) { s.as(append([]string{"naru"}, args...)) }

// as runs a command line in process, as a program with the name args[0].
func (s *script) as(args []string) {
	s.checkCode()
	s.stdout.Reset()
	s.stderr.Reset()
	s.ran, s.checked = true, false
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	watched := func(b *bytes.Buffer) io.Writer {
		if s.interruptAt == "" {
			return b
		}
		return &interrupter{Buffer: b, text: s.interruptAt, cancel: cancel}
	}
	env := &cli.Env{
		Stdin:  strings.NewReader(s.input),
		Stdout: watched(&s.stdout),
		Stderr: watched(&s.stderr),
		Dir:    s.dir,
		Getenv: func(name string) string { return s.vars[name] },
	}
	s.code = root.Called(ctx, env, args[0], args[1:])
	s.input, s.interruptAt = "", ""
}

// interrupter cancels when a text was written to it.
type interrupter struct {
	*bytes.Buffer
	text   string
	cancel func()
}

func (i *interrupter) Write(p []byte) (int, error) {
	n, err := i.Buffer.Write(p)
	if strings.Contains(i.String(), i.text) {
		i.cancel()
	}
	return n, err
}

// durations finds times as Go prints them, and as JSON fields that end in _ms have them.
var durations = regexp.MustCompile(`\b(?:\d+m)?\d+(?:\.\d+)?(?:ns|µs|ms|s)\b|("\w+_ms":) ?[\d.e-]+`)

// checkCode wants code 0 of a run that no exit line checked.
func (s *script) checkCode() {
	if s.ran && !s.checked && s.code != 0 {
		s.fail("the last run exited with %d, stderr:\n%s", s.code, s.stderr.String())
	}
	s.checked = true
}

func (s *script) exit(args []string) {
	want, err := strconv.Atoi(strings.Join(args, " "))
	if err != nil {
		s.fail("exit: %v", err)
	}
	s.checked = true
	if s.code != want {
		s.fail("exit code %d, want %d, stderr:\n%s", s.code, want, s.stderr.String())
	}
}

// output compares what a run wrote with a file of the archive.
func (s *script) output(stream string, got string, args []string) {
	got = strings.ReplaceAll(got, s.work, "$WORK")
	got = strings.ReplaceAll(got, string(filepath.Separator), "/")
	if s.addr != "" {
		got = strings.ReplaceAll(got, s.addr, "$ADDR")
	}
	if s.maskTimes {
		got = durations.ReplaceAllString(got, "${1}$$TIME")
	}
	if len(args) != 1 {
		s.fail("%s: want one name", stream)
		return
	}
	if args[0] == "-" {
		if got != "" {
			s.fail("%s has to be empty, got:\n%s", stream, got)
		}
		return
	}
	if *update {
		s.archive.set(args[0], got)
		return
	}
	want, ok := s.archive.get(args[0])
	if !ok {
		s.fail("%s: the archive has no file %s", stream, args[0])
	}
	if got != want {
		s.fail("%s differs from %s; -update rewrites it\ngot:\n%s\nwant:\n%s", stream, args[0], got, want)
	}
}
