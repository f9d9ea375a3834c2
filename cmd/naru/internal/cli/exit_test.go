package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// TestErrors holds the table of exit codes and the one style of errors.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"none", nil, ExitOK, ""},
		{"any error", errors.New("open x: no such file"), ExitFailed, "error: open x: no such file\n"},
		{"several lines", errors.New("a\nb\n"), ExitFailed, "error: a\n  b\n"},
		{"usage", Usagef("no verb %q", "x"), ExitUsage, "error: no verb \"x\"\n"},
		{"usage with a hint", WithHint(Usagef("no"), "try %s", "this"), ExitUsage, "error: no\nhint: try this\n"},
		{"a hint alone fails", WithHint(errors.New("no"), "try"), ExitFailed, "error: no\nhint: try\n"},
		{"hint on nothing", WithHint(nil, "try"), ExitOK, ""},
		{"two hints", WithHint(WithHint(errors.New("no"), "inner"), "outer"), ExitFailed, "error: no\nhint: outer\nhint: inner\n"},
		{"wrapped", fmt.Errorf("gen: %w", Usagef("no")), ExitUsage, "error: gen: no\n"},
		{"status", fmt.Errorf("a: %w", status.Error(codes.NotFound, "none")), ExitStatus + 5, "error: a: NOT_FOUND: none\n"},
		{"status with a hint", WithHint(status.Error(codes.Unavailable, "no"), "try"), ExitStatus + 14, "error: UNAVAILABLE: no\nhint: try\n"},
		{"reported", Reported(ExitFailed), ExitFailed, ""},
		{"interrupted", fmt.Errorf("dial: %w", context.Canceled), ExitInterrupted, "error: interrupted\n"},
		{"deadline", context.DeadlineExceeded, ExitFailed, "error: context deadline exceeded\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Code(tc.err); got != tc.code {
				t.Errorf("code: got %d, want %d", got, tc.code)
			}
			var b strings.Builder
			if tc.err != nil {
				PrintError(&b, false, tc.err)
			}
			if b.String() != tc.want {
				t.Errorf("got:\n%swant:\n%s", b.String(), tc.want)
			}
		})
	}
	if err := Bug("oops"); Code(err) != ExitInternal || !strings.Contains(err.Error(), "TestErrors") {
		t.Errorf("a bug has to come with its stack, got %v", err)
	}
}

func TestColor(t *testing.T) {
	var b strings.Builder
	PrintError(&b, true, errors.New("no"))
	if want := "\x1b[1;31merror:\x1b[0m no\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if got := NewStyle(true).Strong(""); got != "" {
		t.Errorf("an empty text got escape sequences: %q", got)
	}
}

func TestPath(t *testing.T) {
	env := &Env{Dir: "/work/dir"}
	for in, want := range map[string]string{"a/../b": "/work/dir/b", "/x/./y": "/x/y", ".": "/work/dir", "": "/work/dir"} {
		if got := env.Path(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}
