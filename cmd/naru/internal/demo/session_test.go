package demo_test

import (
	"bytes"
	"context"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
	"github.com/naru-rpc/naru/internal/leak"
)

// asCommand makes the test binary the naru command, for tests that need a process of its own.
const asCommand = "NARU_DEMO_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := root.Main(ctx, cli.System(), os.Args[1:])
		stop()
		os.Exit(code)
	}
	leak.VerifyTestMain(m)
}

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// session is a run of the command in this process.
type session struct {
	t              *testing.T
	stdout, stderr *screen
	interrupt      context.CancelFunc
	code           chan int // the one exit code
}

// start runs "naru demo" with more arguments.
func start(t *testing.T, args ...string) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &session{t: t, stdout: newScreen(), stderr: newScreen(), interrupt: cancel, code: make(chan int, 1)}
	env := &cli.Env{
		Stdin: strings.NewReader(""), Stdout: s.stdout, Stderr: s.stderr, Dir: t.TempDir(),
		Getenv: func(string) string { return "" },
	}
	go func() { s.code <- root.Main(ctx, env, append([]string{"demo"}, args...)) }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("stdout:\n%s\nstderr:\n%s", s.stdout, s.stderr)
		}
	})
	return s
}

// wait returns the exit code.
func (s *session) wait() int {
	s.t.Helper()
	select {
	case code := <-s.code:
		return code
	case <-time.After(patience):
		s.t.Fatal("the command does not end")
		return 0
	}
}

// end interrupts the command, and wants the exit code and a text in what it printed.
func (s *session) end(code int, text string) {
	s.t.Helper()
	s.interrupt()
	s.wantEnd(code, text)
}

func (s *session) wantEnd(code int, text string) {
	s.t.Helper()
	if got := s.wait(); got != code {
		s.t.Errorf("exit code %d, want %d", got, code)
	}
	if all := s.stdout.String() + s.stderr.String(); !strings.Contains(all, text) {
		s.t.Errorf("it did not say %q", text)
	}
}

var listening = regexp.MustCompile(`listening    (\S+) \(`)

// target waits until the shop is open, and returns its address.
func (s *session) target() string {
	s.t.Helper()
	return s.stdout.await(s.t, listening)[1]
}

// screen is an io.Writer that can be waited on. Safe for concurrent use.
type screen struct {
	// guarded by mu
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // unbuffered: carries nothing; closed, and replaced, by the next write
}

func newScreen() *screen { return &screen{changed: make(chan struct{})} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// await returns the first match of want, as soon as there is one and its line is complete.
func (s *screen) await(t *testing.T, want *regexp.Regexp) []string {
	t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		text, changed := s.buf.String(), s.changed
		s.mu.Unlock()
		if m := want.FindStringSubmatch(text[:strings.LastIndexByte(text, '\n')+1]); m != nil {
			return m
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("never printed: %v\n%s", want, text)
		}
	}
}
