package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// errAgain is the cause of a drain cut short by a second interrupt.
var errAgain = errors.New("interrupted again")

// drain shuts the server down and says what it waits for. Calls that take longer than patience, or are still
// running when again is closed, are cut off.
func (h *house) drain(out io.Writer, patience time.Duration, again <-chan struct{}) error {
	h.health.Shutdown() // for those who watch: they should go elsewhere
	fmt.Fprintln(out, "\nNo new calls are taken.")
	if h.calls.open() > 0 && patience > 0 {
		fmt.Fprintf(out, "Waiting for %s, at most %v; Ctrl-C again ends at once.\n", h.calls, patience)
	}
	timeout, cancelTimeout := context.WithTimeoutCause(context.Background(), patience, context.DeadlineExceeded)
	defer cancelTimeout()
	ctx, cancel := context.WithCancelCause(timeout)
	defer cancel(nil)
	ended := make(chan struct{})   // unbuffered: carries nothing; closed when Shutdown returned
	watched := make(chan struct{}) // unbuffered: carries nothing; closed when the goroutine below ended
	go func() {
		defer close(watched)
		select {
		case <-again:
			cancel(errAgain)
		case <-ended:
		}
	}()
	err := h.server.Shutdown(ctx)
	close(ended)
	<-watched
	return h.report(out, err, context.Cause(ctx), patience)
}

// report says how the drain went.
func (h *house) report(out io.Writer, err, cause error, patience time.Duration) error {
	switch {
	case err == nil:
		fmt.Fprintln(out, "Every call has ended. Goodbye.")
		return nil
	case errors.Is(cause, errAgain):
		fmt.Fprintf(out, "Interrupted again: %s cut off.\n", h.calls)
		return cli.Reported(cli.ExitInterrupted)
	case errors.Is(cause, context.DeadlineExceeded):
		fmt.Fprintf(out, "%s cut off after %v.\n", h.calls, patience)
		return cli.Reported(cli.ExitFailed)
	default:
		return fmt.Errorf("shut the server down: %w", err)
	}
}
