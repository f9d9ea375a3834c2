package naru

import (
	"math"
	"strings"
	"time"

	"github.com/naru-rpc/naru/internal/h2/abuse"
	"github.com/naru-rpc/naru/limits"
)

// Fields of limits that a call, and a method on either side, may have.
var (
	callLimits   = []string{"MaxReceiveMessageSize", "MaxSendMessageSize", "MaxRetryDelay"}
	methodLimits = callLimits
)

// maxBound stands for no limit where a number of 32 bits is needed.
const maxBound = math.MaxInt32

// forever stands for no limit of a time.
const forever = 100 * 365 * 24 * time.Hour

// WithLimits changes limits on what a peer can make this side hold and do. Several such options add
// up: a field that is not zero replaces what options before said of it. For a call, a zero field
// means the limit of its method or client, and only the sizes of messages and MaxRetryDelay can be
// set. See package limits for units and defaults.
func WithLimits(l limits.Limits) CommonOption {
	set := func(c *sharedConfig) { c.bounds = c.bounds.Merge(l) }
	return commonOption{
		serverOption: func(c *serverConfig) { set(&c.sharedConfig) },
		client:       func(c *clientConfig) { set(&c.sharedConfig) },
		call: func(c *callConfig) {
			if err := l.CheckOnly(callLimits...); err != nil {
				c.bad("WithLimits: of a call, %w", err)
			}
			c.limit(l)
		},
	}
}

// WithLimitsFor is WithLimits for the calls of one service ("package.Service") or one method
// ("/package.Service/method"), in place of what is said for all calls or for the method's service.
// Only the sizes of messages and MaxRetryDelay can be set.
func WithLimitsFor(scope string, l limits.Limits) Option {
	return option{func(c *sharedConfig) {
		if !validScope(scope) {
			c.bad("WithLimitsFor(%q): want \"package.Service\" or \"/package.Service/method\"", scope)
			return
		}
		if err := l.CheckOnly(methodLimits...); err != nil {
			c.bad("WithLimitsFor(%q): %w", scope, err)
			return
		}
		c.scoped = append(c.scoped, scopedLimits{scope, l})
	}}
}

// scopedLimits are limits and the methods they are for.
type scopedLimits struct {
	scope string // "package.Service" or "/package.Service/method"
	limits.Limits
}

// limitsFor returns what WithLimitsFor said of a method; zero where it said nothing.
func (c *sharedConfig) limitsFor(path string) limits.Limits {
	var ofService, ofMethod limits.Limits
	service := (&MethodInfo{FullMethod: path}).Service()
	for i := range c.scoped {
		switch c.scoped[i].scope {
		case path:
			ofMethod = ofMethod.Merge(c.scoped[i].Limits)
		case service:
			ofService = ofService.Merge(c.scoped[i].Limits)
		}
	}
	return ofService.Merge(ofMethod)
}

// connectionLimits are the limits without those of calls, for which clients that share connections
// may differ.
func (c *sharedConfig) connectionLimits() limits.Limits {
	l := c.bounds
	l.MaxReceiveMessageSize, l.MaxSendMessageSize, l.MaxRetryDelay = 0, 0, 0
	return l
}

// scopedLimits returns limitsFor, or nil if no method has limits of its own.
func (c *sharedConfig) scopedLimits() func(path string) limits.Limits {
	if len(c.scoped) == 0 {
		return nil
	}
	return c.limitsFor
}

// receiveBytes and sendBytes return the largest message of a side; negative means no limit.
func receiveBytes(l limits.Limits) int {
	if l.MaxReceiveMessageSize == 0 {
		return limits.DefaultMaxReceiveMessageSize
	}
	return l.MaxReceiveMessageSize
}

func sendBytes(l limits.Limits) int {
	if l.MaxSendMessageSize == 0 {
		return -1
	}
	return l.MaxSendMessageSize
}

// bound returns n as a number for which zero means no limit.
func bound(n int) int { return max(0, n) }

// finishLimits compiles the limits. One of header blocks that is not set follows the header list's,
// which would never be reached otherwise.
func (c *sharedConfig) finishLimits(server bool) {
	l := c.bounds
	if err := l.Validate(); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			c.bad("WithLimits: %s", line)
		}
		return
	}
	if !server {
		l.PingStrikes = abuse.Unlimited // gRFC A8: servers ping as they like
	}
	if l.PingInterval < 0 {
		l.PingInterval, l.PingStrikes = 0, abuse.Unlimited
	}
	c.compile(l)
	const block, frames, frame = 64 << 10, 16, 8 << 10
	if hard := int(c.limits.HeaderListHard); hard > block {
		if l.BlockBytes == 0 {
			l.BlockBytes = hard
		}
		if l.LargeContinuations == 0 {
			l.LargeContinuations = max(frames, hard/frame+1)
		}
	}
	policy, err := abuse.NewPolicy(l)
	if err != nil {
		c.bad("WithLimits: %w", err)
	}
	c.limits.Abuse = policy
}

// compile sets the limits of the transport, for which zero means the default.
func (c *sharedConfig) compile(l limits.Limits) {
	c.limits.Streams = uint32(orBound(l.MaxConcurrentStreams, maxBound))
	c.limits.HeaderList = uint32(orBound(l.MaxHeaderListSize, 1<<28))
	c.limits.HeaderListHard = 4 * c.limits.HeaderList
	c.limits.HeaderFields = uint32(orBound(l.HeaderFields, math.MaxUint32/4)) // a quarter: see HeaderListHard
	c.limits.StreamWindow = int32(l.StreamWindow)
	c.limits.ReceiveMemory, c.limits.ServerMemory = int32(l.ReceiveMemory), int64(l.ServerMemory)
	c.limits.Backlog = l.Backlog
	c.limits.PrefaceTimeout, c.limits.HeaderTimeout = l.PrefaceTimeout, l.HeaderTimeout
	c.limits.WriteStall, c.limits.ZeroWindow = l.WriteStall, l.ZeroWindow
}

// orBound returns n, and most if n is negative or more.
func orBound(n, most int) int {
	if n < 0 {
		return most
	}
	return min(n, most)
}
