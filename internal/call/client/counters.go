package client

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// Counters count what went wrong with a client's calls, and what was done about it. A call that
// succeeds with its first attempt touches none of them. The zero value is ready. Safe for
// concurrent use.
type Counters struct {
	// atomic
	codes              [codes.Unauthenticated + 1]atomic.Uint64
	Retries            atomic.Uint64 // attempts a policy made after one that had failed
	TransparentRetries atomic.Uint64 // attempts made because a server did not look at the one before
	Hedges             atomic.Uint64 // attempts made while others were under way
	Throttled          atomic.Uint64 // attempts the retry budget did not allow

	reasons reason.Counter
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
func (k *Counters) ByReason() map[string]uint64 { return k.reasons.Counts() }

// failed counts a call that has ended with err, a status error; a is its last attempt, which has
// ended or was cancelled, nil if there was none. timed: the call had a deadline.
func (k *Counters) failed(err error, a *attempt, timed bool) {
	s := status.Convert(err)
	if c := s.Code(); int(c) < len(k.codes) {
		k.codes[c].Add(1)
	}
	k.reasons.Add(reasonOf(s, a, timed))
}

// reasonOf says in one stable word who or what ended a call. The words are this project's own,
// whatever a peer sends, so that there are few.
func reasonOf(s *status.Status, a *attempt, timed bool) reason.Code {
	err := s.Err()
	var te *transport.Error
	report, reported := status.Local[*connectivity.Report](err)
	switch {
	case s.Code() == codes.Canceled && (reported || errors.Is(err, context.Canceled)):
		return reason.Canceled
	case s.Code() == codes.DeadlineExceeded && (timed || reported || errors.Is(err, context.DeadlineExceeded)):
		// A server has the same deadline, and may notice first.
		return reason.Deadline
	case reported && report.Target != "" && report.Last != nil:
		return reason.Code(report.Last.Reason)
	case reported && report.Target != "":
		return reason.NoConnection
	case errors.As(err, &te):
		return te.Token
	}
	return a.reason()
}

// reason is the part of reasonOf that only the response can tell.
func (a *attempt) reason() reason.Code {
	if a == nil {
		return reason.Request
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch v := wire.FieldValue(a.lastFields(), wire.FieldStatus); {
	case a.interest == expired:
		return reason.AttemptTimeout
	case v != "" && v != "0":
		return reason.Status
	case a.sending.stream == nil:
		return reason.Request
	}
	return reason.Response
}
