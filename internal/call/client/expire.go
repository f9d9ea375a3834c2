package client

import (
	"fmt"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
)

// limitAttempt ends a if it has no response head within PerAttemptRecvTimeout. stop prevents that,
// and reports whether expire will not be called any more.
func (c *call) limitAttempt(a *attempt) (stop func() bool) {
	p := c.retry.policy
	if p == nil || p.PerAttemptRecvTimeout <= 0 {
		return noStop
	}
	text := fmt.Sprintf("no response from %s within the attempt's time of %s", peerName(c.peer), round(p.PerAttemptRecvTimeout))
	return time.AfterFunc(p.PerAttemptRecvTimeout, func() { a.expire(text) }).Stop
}

func noStop() bool { return true }

// expire ends an attempt that has no head, as DEADLINE_EXCEEDED of this attempt alone.
func (a *attempt) expire(text string) {
	a.mu.Lock()
	if a.stage != stageNothing || a.interest != wanted {
		a.mu.Unlock()
		return
	}
	a.stage, a.interest = stageLost, expired
	a.problem = &wire.Problem{Code: codes.DeadlineExceeded, Text: text}
	stream := a.sending.stream
	a.ringLocked()
	a.wakeLocked()
	a.mu.Unlock()
	if stream != nil {
		stream.Reset(wire.CodeCancel, reason.AttemptTimeout)
	}
	a.tell()
}
