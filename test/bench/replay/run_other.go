//go:build !linux

package replay

import (
	"context"
	"errors"
)

// Run works on Linux only.
func Run(context.Context, Config) (*Result, error) {
	return nil, errors.New("replay needs Linux (epoll)")
}
