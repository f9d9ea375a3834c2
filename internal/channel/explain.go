package channel

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// failureLog remembers the last failure and counts them by reason.
type failureLog struct {
	// atomic
	last atomic.Pointer[connectivity.Failure]
	// guarded by mu
	mu     sync.Mutex
	counts map[connectivity.Reason]uint64
}

func (l *failureLog) add(f *connectivity.Failure) {
	l.last.Store(f)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = map[connectivity.Reason]uint64{}
	}
	l.counts[f.Reason]++
}

// FailureCounts returns how often resolving and connecting failed and connections were lost, by
// reason.
func (c *Channel) FailureCounts() map[connectivity.Reason]uint64 {
	c.failures.mu.Lock()
	defer c.failures.mu.Unlock()
	return maps.Clone(c.failures.counts)
}

// EndLog counts, by token, the connections that have ended and the streams that a rule of this side
// ended. The zero value is ready. Safe for concurrent use.
type EndLog struct{ ends reason.Counter }

// Add counts an end. Tokens are this project's own words, so that there are few.
func (l *EndLog) Add(e *transport.Error) { l.ends.Add(e.Token) }

// EndCounts returns how often each token ended a connection or, on this side, a stream; never nil.
func (c *Channel) EndCounts() map[string]uint64 {
	if c.cfg.Ends == nil {
		return map[string]uint64{}
	}
	return c.cfg.Ends.ends.Counts()
}

// asFailure makes a failure of a dial function's error.
func asFailure(addr resolver.Address, err error) *connectivity.Failure {
	var f *connectivity.Failure
	if errors.As(err, &f) {
		return f
	}
	var te *transport.Error
	if errors.As(err, &te) {
		if f := connFailure(addr, te); f != nil {
			return f
		}
	}
	return &connectivity.Failure{
		Reason: dialReason(err), Address: addr.String(), Time: time.Now(), Text: "connecting failed", Err: err,
	}
}

// connFailure makes a failure of what ended a connection; nil if this side ended it on purpose.
func connFailure(addr resolver.Address, e *transport.Error) *connectivity.Failure {
	if e == nil || e.Origin == transport.OriginUser {
		return nil
	}
	return e.Failure(addr.String())
}
