package naru

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/naru-rpc/naru/internal/serve"
)

// Run serves on addr until ctx ends or the process is told to stop, by SIGTERM or an interrupt, and then
// drains: it calls beforeDrain in order, for instance the Shutdown of a health.Server, whose watchers
// are so told NOT_SERVING; sends GOAWAY on every connection; and waits until the last call has ended, at most
// WithDrainTimeout, when it closes what is left. A second signal ends the process as if there were no Run.
//
// addr is as for ListenAndServe. Run returns nil after a complete drain, and otherwise why it could not
// serve, or which calls were cut off.
func Run(ctx context.Context, s *Server, addr string, beforeDrain ...func()) error {
	if _, err := s.start(); err != nil {
		return err
	}
	lis, err := serve.Listen(addr)
	if err != nil {
		return fmt.Errorf("naru: listen on %q: %w", addr, err)
	}
	// The runtime raises the soft limit of descriptors to the hard one when a program starts; the
	// figure is for whoever wonders later why connections were refused.
	if soft, hard, ok := serve.DescriptorLimit(); ok {
		s.cfg.logger.Info("naru: serving", "address", lis.Addr().String(), "descriptors", soft, "hard_limit", hard)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	draining := func() {
		stop()
		s.cfg.logger.Info("naru: draining", "calls", s.OpenCalls(), "timeout", s.cfg.drain)
		for _, f := range beforeDrain {
			f()
		}
	}
	return s.serveUntil(ctx, lis, draining)
}
