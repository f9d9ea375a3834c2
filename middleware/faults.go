package middleware

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// A Fault is what is done to a call on purpose. The parts that are set happen in the order of the
// fields.
type Fault struct {
	// Delay is waited before the call goes on, or its context ends. 0 or negative: none.
	Delay time.Duration
	// Abort ends the call with this status instead of running it; OK: it runs.
	Abort codes.Code
	// Truncate ends a call that sends more messages than so many with ABORTED. 0 or negative:
	// never.
	Truncate int
}

// FaultsConfig says which calls get faults.
type FaultsConfig struct {
	// Header is the metadata key by which a caller asks for faults: see ParseFault. "": none can.
	// It is for tests: set it only where every caller may do harm.
	Header string
	// MaxDelay bounds what Header may ask for. 0 or negative: one minute.
	MaxDelay time.Duration
	// Methods are faults by path ("/package.Service/method"); "" stands for the methods that are
	// not in it.
	Methods map[string]Fault
	// Share is the part of the calls of Methods that get their fault, from 0 to 1. 0: all.
	Share float64
}

// Faults returns an interceptor that delays, refuses or cuts calls, on either side, to test what
// others make of it. On a client only the metadata of the call's context is read.
func Faults(c FaultsConfig) naru.Interceptor {
	if c.MaxDelay <= 0 {
		c.MaxDelay = time.Minute
	}
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		f, err := c.of(ctx, call)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		return f.run(ctx, call, next)
	}
}

func (c *FaultsConfig) of(ctx context.Context, call *naru.Call) (Fault, error) {
	if c.Header != "" {
		if v := call.RequestHeader(ctx)[strings.ToLower(c.Header)]; len(v) > 0 {
			f, err := ParseFault(v[0])
			if err != nil {
				return f, fmt.Errorf("%s: %w", c.Header, err)
			}
			f.Delay = min(f.Delay, c.MaxDelay)
			return f, nil
		}
	}
	if c.Share > 0 && rand.Float64() >= c.Share {
		return Fault{}, nil
	}
	if f, ok := c.Methods[call.Method().FullMethod]; ok {
		return f, nil
	}
	return c.Methods[""], nil
}

func (f Fault) run(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	if f.Abort != codes.OK {
		return status.Errorf(f.Abort, "a fault on purpose (middleware.Faults)")
	}
	if f.Truncate <= 0 {
		return next(ctx)
	}
	var sent atomic.Int64
	cut := status.Errorf(codes.Aborted, "cut on purpose after %d messages (middleware.Faults)", f.Truncate)
	call.OnSend(func(m any) (any, error) {
		if sent.Add(1) > int64(f.Truncate) {
			return nil, cut
		}
		return m, nil
	})
	if err := next(ctx); err != nil || sent.Load() <= int64(f.Truncate) {
		return err
	}
	return cut // the handler has not passed it on
}

// ParseFault reads a fault of the form "delay=100ms,abort=UNAVAILABLE,truncate=3". Parts may be
// missing, and come in any order; none may be twice.
func ParseFault(s string) (Fault, error) {
	var f Fault
	if len(s) > 200 {
		return f, errors.New("a fault is at most 200 bytes long")
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || seen[key] {
			return Fault{}, fmt.Errorf("%q: want delay=DURATION, abort=CODE or truncate=MESSAGES, each once", part)
		}
		seen[key] = true
		var err error
		switch key {
		case "delay":
			if f.Delay, err = time.ParseDuration(value); err == nil && f.Delay < 0 {
				err = errors.New("negative")
			}
		case "abort":
			f.Abort, err = codes.Parse(value)
		case "truncate":
			if f.Truncate, err = strconv.Atoi(value); err == nil && f.Truncate < 1 {
				err = errors.New("want 1 or more")
			}
		default:
			err = errors.New("no such fault; want delay, abort or truncate")
		}
		if err != nil {
			return Fault{}, fmt.Errorf("%q: %v", part, err)
		}
	}
	return f, nil
}
