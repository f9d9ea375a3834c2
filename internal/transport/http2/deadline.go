package http2

import (
	"errors"
	"os"
	"time"

	"github.com/naru-rpc/naru/internal/transport"
)

// readDeadline is what the read loop's deadline is for.
type readDeadline struct {
	kind     deadlineKind
	progress bool          // a frame or header block was completed since nextDeadline
	every    time.Duration // between deadlines of kind deadlineIdle
	since    int64         // when a frame was last found incomplete, or complete again
}

// A deadlineKind is what has to come before the read deadline:
//
//	preface ──(first SETTINGS)──▶ frame ◀──▶ idle ──(another read loop took over)──▶ none
//	                                ▲──────────▲──────────(something came)────────────┘
type deadlineKind uint8

const (
	deadlinePreface deadlineKind = iota // the peer's preface
	deadlineFrame                       // the rest of a frame or header block
	deadlineIdle                        // anything; see idleDue
	deadlineNone                        // nothing: there is no deadline
)

// nextDeadline sets the deadline after a batch. partial reports that a frame or header block is
// incomplete: it may take Limits.HeaderTimeout.
func (c *conn) nextDeadline(partial bool) {
	d := &c.deadline
	// A peer that sends without pause may leave a frame in parts at the end of every read, so the
	// time begins anew when another was completed. This is checked a few times within the limit
	// only, so that a busy connection does not set a timer per read.
	again := d.progress && c.now-d.since > int64(c.limits.HeaderTimeout/4)
	d.progress = false
	switch {
	case d.kind == deadlinePreface:
	case partial && (d.kind != deadlineFrame || again):
		d.kind, d.since = deadlineFrame, c.now
		c.setReadDeadline(time.Now().Add(c.limits.HeaderTimeout))
	case !partial && d.kind != deadlineIdle:
		d.kind, d.since, d.every = deadlineIdle, c.now, c.limits.Rest
		var t time.Time
		if c.limits.Rest < never && (c.raw != nil || c.spill != nil) {
			t = time.Now().Add(c.limits.Rest)
		}
		c.setReadDeadline(t)
	}
}

// A stack that has grown stays large: the runtime halves it only when less than a quarter is in
// use, red zone included. The read loop's doubles with its first call, which is a fifth of what an
// idle connection takes. So a loop that has had nothing to read for Limits.Rest continues on a new
// goroutine, whose stack grows when something comes.
//
// The loop learns of that time through the read deadline, which is set once and then checked: a
// busy connection pays nothing for a read. The deadline comes after Limits.Rest, then after twice
// that, and so on up to idleRarely times it.
const idleRarely = 12

// idleDue reports whether err, of a read, is the deadline of an idle connection and nothing else.
func (c *conn) idleDue(err error) bool {
	if c.deadline.kind != deadlineIdle || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && c.wake.writeErr == nil
}

// handOver starts another read loop if nothing has come for Limits.Rest, and reports whether it
// has. If not, it sets the next deadline.
func (c *conn) handOver() bool {
	d := &c.deadline
	now := time.Now()
	if quiet := time.Duration(c.nanos(now) - c.now); quiet < c.limits.Rest {
		left := c.limits.Rest - quiet
		if quiet < c.limits.Rest/2 { // likely, something will come again
			d.every = min(2*d.every, idleRarely*c.limits.Rest)
			left = d.every
		}
		c.setReadDeadline(now.Add(left))
		return false
	}
	d.kind = deadlineNone
	c.setReadDeadline(time.Time{})
	go c.readLoop()
	return true
}

// readWake is what other goroutines want of the read loop, which is the only caller of sinks. They
// wake it by its deadline. conn.mu guards it.
type readWake struct {
	readBy   time.Time        // the deadline the read loop has set
	orders   []order          // not yet carried out
	writeErr *transport.Error // of a client whose write failed, and which reads what has come; it has a deadline of its own
}

// setReadDeadline sets the read loop's deadline, unless it is to be woken.
func (c *conn) setReadDeadline(t time.Time) {
	c.mu.Lock()
	c.wake.readBy = t
	if c.err == nil && c.wake.writeErr == nil && len(c.wake.orders) == 0 {
		c.nc.SetReadDeadline(t)
	}
	c.mu.Unlock()
}

// wakeReaderLocked ends a read that waits, and every later one until setReadDeadline may set
// another deadline.
func (c *conn) wakeReaderLocked() { _ = c.nc.SetReadDeadline(time.Unix(1, 0)) }
