package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// drain shuts the server down and says what it waits for. Calls that take longer than patience, or
// are still running at the next interrupt, are cut off. It takes the steps of naru.Run itself
// because it tells what it waits for and cuts off, and because a second interrupt must not leave
// the temporary database and the certificate behind.
func (h *house) drain(out io.Writer, patience time.Duration) error {
	again := make(chan os.Signal, 1) // os/signal does not wait for a receiver
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	h.health.Shutdown() // for those who watch: they should go elsewhere
	h.announce(out, patience)
	ctx, cut := context.WithCancel(context.Background())
	defer cut()
	drained := make(chan error, 1) // the one result of Shutdown
	go func() { drained <- h.server.Shutdown(ctx) }()
	timer := time.NewTimer(patience)
	defer timer.Stop()

	var code int
	var why string
	select {
	case err := <-drained:
		if err != nil {
			return fmt.Errorf("shut the server down: %w", err)
		}
		fmt.Fprintln(out, "Every call has ended. Goodbye.")
		return nil
	case <-again:
		code, why = cli.ExitInterrupted, "interrupted again"
	case <-timer.C:
		code, why = cli.ExitFailed, fmt.Sprintf("not ended after %v", patience)
	}
	n, _ := h.calls.open() // before they are cut off
	cut()
	if err := <-drained; err == nil || n == 0 {
		fmt.Fprintln(out, "Every call has ended just now. Goodbye.")
		return nil
	}
	fmt.Fprintf(out, "Cut off, because %s: %s.\n", why, plural(n, "call"))
	return cli.Reported(code)
}

// announce says what the drain waits for.
func (h *house) announce(out io.Writer, patience time.Duration) {
	fmt.Fprintln(out, "\nNo new calls are taken.")
	n, methods := h.calls.open()
	if n == 0 || patience == 0 {
		return
	}
	fmt.Fprintf(out, "Waiting for %s, at most %v; Ctrl-C again ends at once:\n", plural(n, "call"), patience)
	for _, m := range methods {
		fmt.Fprintf(out, "  %s\n", m)
	}
}
