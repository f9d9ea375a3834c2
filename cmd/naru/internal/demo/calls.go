package demo

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// calls counts the calls under way. Safe for concurrent use.
type calls struct {
	// guarded by mu
	mu sync.Mutex
	by map[string]int // by full method, never zero
}

func newCalls() *calls { return &calls{by: map[string]int{}} }

// intercept is a naru.Interceptor.
func (c *calls) intercept(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	method := call.Method().FullMethod
	c.add(method, 1)
	defer c.add(method, -1)
	return next(ctx)
}

func (c *calls) add(method string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[method] += n; c.by[method] == 0 {
		delete(c.by, method) // a caller chooses the names: keep no more than there are calls
	}
}

// open returns how many calls are under way, and of which methods, a line each.
func (c *calls) open() (n int, methods []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, method := range slices.Sorted(maps.Keys(c.by)) {
		n += c.by[method]
		methods = append(methods, fmt.Sprintf("%d %s", c.by[method], strings.TrimPrefix(method, "/")))
	}
	return n, methods
}

// plural returns "1 call", "2 calls".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// requestID is the metadata key whose value the demo sends back.
const requestID = "x-request-id"

// echoRequestID is a naru.Interceptor that answers x-request-id with itself in the header, and says
// in the trailer who answered.
func echoRequestID(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
	ids := metadata.ValueFromIncomingContext(ctx, requestID)
	if len(ids) > 0 {
		if err := naru.SetHeader(ctx, metadata.MD{requestID: ids}); err != nil {
			return err
		}
		if err := naru.SetTrailer(ctx, metadata.Pairs("x-served-by", "naru demo")); err != nil {
			return err
		}
	}
	return next(ctx)
}

// logCalls returns a naru.Interceptor that logs every call when it has ended, at level info.
func logCalls(logger *slog.Logger) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		if !logger.Enabled(ctx, slog.LevelInfo) {
			return next(ctx)
		}
		start := time.Now()
		err := next(ctx)
		logger.InfoContext(ctx, "call", "method", call.Method().FullMethod, "status", status.Code(err),
			"took", time.Since(start).Round(time.Microsecond))
		return err
	}
}
