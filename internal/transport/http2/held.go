package http2

import (
	"time"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// held is what is known of the bytes a connection holds. conn.mu guards it.
type held struct {
	told       int64       // what the server was told
	backlogged bool        // finished responses pile up
	ticking    bool        // tick runs: messages wait for memory of the connection
	tick       *time.Timer // nil: none ever did
}

// heldStep is how exactly a connection tells what it holds.
const heldStep = 4 << 10

// tellHeldLocked tells the server what the connection holds, if it is much more or less than it knows.
func (c *conn) tellHeldLocked() {
	if c.memory == nil {
		return
	}
	n := c.h.Held()
	if c.phase == connEnded {
		n = 0
	}
	if d := n - c.held.told; d >= heldStep || d <= -heldStep || n == 0 && d != 0 {
		c.memory.held.Add(d)
		c.held.told = n
	}
}

// backlogStreams is how many finished responses have to wait, besides their bytes, for a backlog: a few
// large ones on a slow network must not hold back the small calls beside them.
const backlogStreams = 4

// backlogLocked tells the handler when finished responses pile up because the peer does not take them, and when
// half of them is gone.
func (c *conn) backlogLocked() {
	bytes, streams := c.h.Unsent.DoneBytes, c.h.Unsent.DoneStreams
	full := bytes > c.limits.Backlog && streams >= backlogStreams ||
		c.held.backlogged && bytes > c.limits.Backlog/2 && streams > backlogStreams/2
	if full == c.held.backlogged {
		return
	}
	c.held.backlogged = full
	if b, ok := c.handler.(transport.Backlogger); ok {
		b.Backlog(full)
	}
}

// watchFlowLocked looks after messages that wait for memory of the connection while there are any.
func (c *conn) watchFlowLocked() {
	if !c.h.Waits() || c.held.ticking {
		return
	}
	c.held.ticking = true
	if c.held.tick == nil {
		c.held.tick = c.timerLocked(time.Duration(flow.TickEvery), c.flowTick)
	} else {
		c.held.tick.Reset(time.Duration(flow.TickEvery))
	}
}

var errConnMemory = &transport.Error{
	Scope: transport.ScopeStream, Origin: transport.OriginLocal, Code: uint32(frame.EnhanceYourCalm), Token: reason.ConnectionMemory,
	Reason: "connection holds its limit of messages that have not come whole, and this call's came more slowly than others' " +
		"(Limits.ReceiveMemory, WithLimits)",
}

func (c *conn) flowTick() {
	c.lock()
	c.held.ticking = false
	if c.err != nil || c.phase == connEnded {
		c.mu.Unlock()
		return
	}
	var ids []uint32
	for _, s := range c.h.Tick(c.clock()) {
		ids = append(ids, s.ID)
	}
	if len(ids) > 0 {
		c.orderLocked(order{ids: ids, err: errConnMemory})
	}
	c.watchFlowLocked()
	c.flushAndUnlock(flushNow)
}
