package health

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/status"
)

// pause lies between two attempts to reach a server: as long as Kubernetes' shortest probe period,
// at most.
const pause = 250 * time.Millisecond

// waitFor tries until the status is the expected one or ctx ends.
func (c *config) waitFor(ctx context.Context, env *cli.Env, out *printer) error {
	start := time.Now()
	last := ""
	for {
		seen, err := c.once(ctx, env)
		if want := c.expected(); seen == want {
			return out.reached(c.service, seen, time.Since(start))
		}
		var usage *cli.Error
		if errors.As(err, &usage) && usage.Code == cli.ExitUsage {
			return err
		}
		if err != nil {
			seen = fmt.Sprintf("%s (%v)", seen, err)
		}
		if seen != last && c.endpoint.Verbose && ctx.Err() == nil {
			fmt.Fprintf(env.Stderr, "# waiting: %s\n", seen)
		}
		if ctx.Err() == nil {
			last = seen
		}
		select {
		case <-ctx.Done():
			return c.gaveUp(ctx, last, time.Since(start))
		case <-time.After(pause):
		}
	}
}

func (c *config) expected() string {
	if c.until == "" {
		return "SERVING"
	}
	return c.until
}

func (c *config) gaveUp(ctx context.Context, last string, waited time.Duration) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if last == "" {
		last = "nothing"
	}
	return &cli.Error{Code: cli.ExitFailed, Err: fmt.Errorf("not %s within %v: the last answer was %s", c.expected(), waited.Round(time.Millisecond), last)}
}

// once returns the status of one check, on a connection of its own: a server that was replaced is
// found at its new address.
func (c *config) once(ctx context.Context, env *cli.Env) (string, error) {
	quiet := *c
	quiet.endpoint.Verbose = false
	client, _, err := quiet.connect(ctx, env)
	if err != nil {
		return unreachable, err
	}
	defer client.Close()
	callCtx, cancel := context.WithTimeout(ctx, c.endpoint.ConnectTimeout)
	defer cancel()
	st, err := health.Check(callCtx, client, c.service, c.options()...)
	switch status.Code(err) {
	case codes.OK:
		return st.String(), nil
	case codes.Unavailable, codes.DeadlineExceeded:
		return unreachable, err
	}
	return status.Code(err).String(), err
}
