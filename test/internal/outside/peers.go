package outside

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// optional turns the error of a program that is not installed into a row that says so, if the
// environment's PEERS_OPTIONAL is 1. Nothing is left out in silence.
func optional(results []*Result) []*Result {
	if os.Getenv("PEERS_OPTIONAL") != "1" {
		return results
	}
	for _, r := range results {
		if errors.Is(r.Err, exec.ErrNotFound) {
			r.missing, r.Err = r.Err.Error(), nil
		}
	}
	return results
}

// Optional lets a suite be left out where its programs are not installed.
func Optional(suite func(context.Context, *Tree) []*Result) func(context.Context, *Tree) []*Result {
	return func(ctx context.Context, t *Tree) []*Result { return optional(suite(ctx, t)) }
}
