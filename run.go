package naru

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/naru-rpc/naru/internal/serve"
)

// Run serves on addr until ctx ends or the process is told to stop, by SIGTERM or an interrupt, and
// then drains: it calls beforeDrain in order, for instance the Shutdown of a health.Server, whose
// watchers are so told NOT_SERVING; sends GOAWAY on every connection; and waits until the last call
// has ended, at most WithDrainTimeout, when it closes what is left. A second signal ends the
// process as if there were no Run.
//
// addr is as for [Listen]. Run returns nil after a complete drain, [ErrServerClosed] if Shutdown or
// Close was called before, and otherwise why it could not serve, or which calls were cut off.
// RunListener serves on a listener whose address the program wants to know or has chosen otherwise.
func Run(ctx context.Context, s *Server, addr string, beforeDrain ...func()) error {
	if _, err := s.start(); err != nil {
		return err
	}
	lis, err := Listen(addr)
	if err != nil {
		return err
	}
	return RunListener(ctx, s, lis, beforeDrain...)
}

// RunListener is Run on a listener, which it closes: one of Listen, whose Addr tells the port that
// ":0" became, or one that a supervisor has opened.
func RunListener(ctx context.Context, s *Server, lis net.Listener, beforeDrain ...func()) error {
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

// Listen opens the listener that ListenAndServe and Run serve on. addr is "host:port", ":port" for
// every address of the machine, ":0" for a free port, or "unix:path", where a socket that a killed
// process has left, and nothing answers on, is replaced. The error names addr; trying again makes
// sense when the address was in use.
func Listen(addr string) (net.Listener, error) {
	lis, err := serve.Listen(addr)
	if err != nil {
		return nil, fmt.Errorf("naru: listen on %q: %w", addr, err)
	}
	return lis, nil
}
