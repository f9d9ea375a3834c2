package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/naru-rpc/naru/status"
)

// Exit codes of every verb. They are part of the command's interface: scripts test them.
const (
	ExitOK          = 0   // done, and nothing to complain about
	ExitFailed      = 1   // the job was understood and did not succeed, or a check found something
	ExitUsage       = 2   // the command line is wrong: unknown verb or flag, bad value, missing argument
	ExitInternal    = 3   // a bug of this program
	ExitInterrupted = 130 // ended by an interrupt before it was done

	// ExitStatus plus the status code, when a call ended with a status that is not OK: 69 for
	// NOT_FOUND, 78 for UNAVAILABLE. grpcurl does the same.
	ExitStatus = 64
)

// Error is an error with an exit code and what a person needs beside the message.
type Error struct {
	Code int
	// Err is the message. nil: everything was printed already and only the code is left to give.
	Err error
	// Hint is what to do about it, a full line; "" for none.
	Hint string
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the message's error.
func (e *Error) Unwrap() error { return e.Err }

// Usagef returns an error for a command line that cannot be meant (ExitUsage).
func Usagef(format string, args ...any) error {
	return &Error{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Reported returns the error of a verb that has printed its findings by itself: only the code is
// left.
func Reported(code int) error { return &Error{Code: code} }

// Bug returns the error for a recovered panic (ExitInternal). Call it where the panic was
// recovered: the error has the stack.
func Bug(recovered any) error {
	return &Error{Code: ExitInternal, Err: fmt.Errorf("a bug in naru: %v\n\n%s", recovered, debug.Stack())}
}

// WithHint adds what to do about err. A code that err carries stays.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &Error{Code: Code(err), Err: err, Hint: fmt.Sprintf(format, args...)}
}

// Code returns the exit code of err: the one place where errors become codes.
func Code(err error) int {
	var coded *Error
	st, isStatus := status.FromError(err)
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	case isStatus:
		return ExitStatus + int(st.Code())
	default:
		return ExitFailed
	}
}

// PrintError writes err in the command's one style: "error:", the message, further lines indented
// below it, and a hint line if there is one. An error that was Reported prints nothing.
func PrintError(w io.Writer, color bool, err error) {
	var coded *Error
	if errors.As(err, &coded) && coded.Err == nil {
		return
	}
	style := NewStyle(color)
	text := err.Error()
	if Code(err) == ExitInterrupted {
		text = "interrupted"
	}
	fmt.Fprintf(w, "%s %s\n", style.Error("error:"), indent(text))
	for e := err; errors.As(e, &coded); e = coded.Err {
		if coded.Hint != "" {
			fmt.Fprintf(w, "%s %s\n", style.Hint("hint:"), indent(coded.Hint))
		}
	}
}

func indent(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n  ")
}
