package naru

import "github.com/naru-rpc/naru/stats"

// WithStatsHandler tells handlers of calls and attempts, for metrics, traces and logs: see package
// stats. Several such options add up. Without one, nothing is measured and nothing is paid for it.
func WithStatsHandler(handlers ...stats.Handler) Option {
	return option{func(c *sharedConfig) {
		for i, h := range handlers {
			if h == nil {
				c.bad("WithStatsHandler: handler %d is nil", i)
				continue
			}
			c.stats = append(c.stats, h)
		}
	}}
}
