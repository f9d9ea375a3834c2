package client

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// Counters count what went wrong with a client's calls, and what was done about it. A call that
// succeeds with its first attempt touches none of them. The zero value is ready. Safe for concurrent use.
type Counters struct {
	// atomic
	codes              [codes.Unauthenticated + 1]atomic.Uint64
	Retries            atomic.Uint64 // attempts a policy made after one that had failed
	TransparentRetries atomic.Uint64 // attempts made because a server did not look at the one before
	Hedges             atomic.Uint64 // attempts made while others were under way
	Throttled          atomic.Uint64 // attempts the retry budget did not allow

	// guarded by mu, a leaf lock
	mu      sync.Mutex
	reasons map[string]uint64
}

// ByCode returns how many calls ended with each code but OK.
func (k *Counters) ByCode() map[codes.Code]uint64 {
	m := make(map[codes.Code]uint64)
	for c := range k.codes {
		if n := k.codes[c].Load(); n > 0 {
			m[codes.Code(c)] = n
		}
	}
	return m
}

// ByReason returns how many calls failed for each reason.
func (k *Counters) ByReason() map[string]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := maps.Clone(k.reasons)
	if m == nil {
		m = map[string]uint64{}
	}
	return m
}

// failed counts a call that has ended with err, a status error; a is its last attempt, which has ended or
// was cancelled, nil if there was none. timed: the call had a deadline.
func (k *Counters) failed(err error, a *attempt, timed bool) {
	s := status.Convert(err)
	if c := s.Code(); int(c) < len(k.codes) {
		k.codes[c].Add(1)
	}
	reason := reasonOf(s, a, timed)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reasons == nil {
		k.reasons = make(map[string]uint64)
	}
	k.reasons[reason]++
}

// reasonOf says in one stable word who or what ended a call. The words are this project's own, whatever a
// peer sends, so that there are few.
func reasonOf(s *status.Status, a *attempt, timed bool) string {
	err := s.Err()
	var te *transport.Error
	report, reported := status.Local[*connectivity.Report](err)
	switch {
	case s.Code() == codes.Canceled && (reported || errors.Is(err, context.Canceled)):
		return "canceled"
	case s.Code() == codes.DeadlineExceeded && (timed || reported || errors.Is(err, context.DeadlineExceeded)):
		// A server has the same deadline, and may notice first.
		return "deadline"
	case reported && report.Target != "" && report.Last != nil:
		return string(report.Last.Reason)
	case reported && report.Target != "":
		return "no_connection"
	case errors.As(err, &te):
		return te.Token
	}
	return a.reason()
}

// reason is the part of reasonOf that only the response can tell.
func (a *attempt) reason() string {
	if a == nil {
		return "request"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch v := wire.FieldValue(a.lastFields(), wire.FieldStatus); {
	case a.expired:
		return "attempt_timeout"
	case v != "" && v != "0":
		return "status"
	case a.stream == nil:
		return "request"
	}
	return "response"
}
