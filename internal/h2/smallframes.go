package h2

// A peer whose window is used up may open it by a few bytes at a time, as its own client reads. A
// DATA frame for each such WINDOW_UPDATE costs both sides and everyone in between more than its
// bytes do, so that the sender waits until a worthwhile frame fits, as TCP does (RFC 1122 §4.2.3.4,
// the silly window syndrome). It does not wait when
//
//   - all that is queued fits: nothing would join the frame;
//   - the window has not been at 0: its rest is sent, whatever its size;
//   - the peer's windows are small altogether: half of the first window of its streams is always
//     enough;
//   - it has waited until ReleaseHeld, which the shell calls some time later. A peer that opens its
//     window only once before it gets something is not made to wait like that again.

// worthwhile is the least DATA frame that is sent while more is queued.
const worthwhile = 4 << 10

// refills is how a peer opens a window that was used up.
type refills struct {
	dry   bool // it was used up, and nothing was sent since
	again bool // it was opened more than once since
	eager bool // whatever it lets through is sent at once
}

// note notes that a window of size is about to be opened.
func (d *refills) note(size int64) {
	d.again = size > 0
	d.dry = d.dry || size <= 0
}

// holds reports whether nothing is to be sent yet of queued bytes.
func (d *refills) holds(window int64, queued int, enough int64) bool {
	return d.dry && !d.eager && window > 0 && window < min(int64(queued), enough)
}

// release lets go what is held back.
func (d *refills) release() {
	d.dry = false
	d.eager = !d.again
}

// holdsBack reports whether the connection's window is one to wait with.
func (c *Conn) holdsBack() bool { return c.refills.holds(c.sendWindow, c.Unsent.Bytes, worthwhile) }

// holdsBackStream reports whether the window of s is.
func (c *Conn) holdsBackStream(s *Stream) bool {
	return s.refills.holds(s.sendWindow, s.queued, min(worthwhile, int64(c.peer.initialWindow)/2))
}

// readyOrHeld has s take its turns if it can send, and notes that it does not yet if it is held
// back.
func (c *Conn) readyOrHeld(s *Stream) {
	if c.canSend(s) {
		c.ready.push(s)
	} else if c.holdsBackStream(s) {
		c.mayHold = true
	}
}

// Holding reports whether something that the windows let through may be held back: ReleaseHeld is
// to be called within a moment.
func (c *Conn) Holding() bool { return c.mayHold || c.ready.head != nil && c.holdsBack() }

// ReleaseHeld lets go what is held back, however little it is.
func (c *Conn) ReleaseHeld() {
	if c.holdsBack() {
		c.refills.release()
	}
	if !c.mayHold {
		return
	}
	c.mayHold = false
	for _, s := range c.streams {
		if c.holdsBackStream(s) {
			s.refills.release()
			c.ready.push(s)
		}
	}
}
