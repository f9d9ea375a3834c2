package h2

// readyList is the streams that have data and a window of their own, in turn.
type readyList struct{ head, tail *Stream }

// push adds a stream at the end, unless it is in the list.
func (l *readyList) push(s *Stream) {
	if s.ready {
		return
	}
	s.ready, s.next = true, nil
	if l.tail == nil {
		l.head = s
	} else {
		l.tail.next = s
	}
	l.tail = s
}

// pop takes the first stream out. There must be one.
func (l *readyList) pop() *Stream {
	s := l.head
	l.head = s.next
	if l.head == nil {
		l.tail = nil
	}
	s.ready, s.next = false, nil
	return s
}

// remove takes a stream out wherever it stands. Linear, but only for streams that end with data
// queued.
func (l *readyList) remove(s *Stream) {
	if !s.ready {
		return
	}
	var prev *Stream
	for at := l.head; at != s; at = at.next {
		prev = at
	}
	if prev == nil {
		l.head = s.next
	} else {
		prev.next = s.next
	}
	if l.tail == s {
		l.tail = prev
	}
	s.ready, s.next = false, nil
}

// Unsent counts what waits in the queues of a connection's streams.
type Unsent struct {
	Bytes       int   // of all streams
	DoneBytes   int   // of streams whose sender is done: nothing in the program waits for them
	DoneStreams int32 // those streams
}

// remove takes n bytes off the counts, which are off the queue of s already.
func (u *Unsent) remove(s *Stream, n int) {
	u.Bytes -= n
	if !s.endQueued || n == 0 {
		return
	}
	u.DoneBytes -= n
	if s.queued == 0 {
		u.DoneStreams--
	}
}

// Fill moves queued data into Out, one frame a stream in turn, until Out holds limit bytes, no
// stream has both data and a window, or the connection's window is spent.
func (c *Conn) Fill(limit int) {
	for c.ready.head != nil && len(c.Out) < limit {
		if c.sendWindow <= 0 || c.holdsBack() {
			return // every stream in the list waits for the same window
		}
		s := c.ready.pop()
		c.sendTurn(s)
		if !s.Closed && c.canSend(s) {
			c.ready.push(s)
		}
		if s.Waiting && s.queued <= SendLowWater {
			s.Waiting = false
			c.Wake = append(c.Wake, s)
		}
	}
}

// CanFill reports whether Fill would move something.
func (c *Conn) CanFill() bool {
	return c.ready.head != nil && c.sendWindow > 0 && !c.holdsBack()
}

// Windows reports whether the stream's own window and the connection's let data out.
func (c *Conn) Windows(s *Stream) (stream, conn bool) { return s.sendWindow > 0, c.sendWindow > 0 }

// canSend reports whether the stream's own state lets something of its queue out.
func (c *Conn) canSend(s *Stream) bool {
	return s.queued > 0 && s.sendWindow > 0 && !c.holdsBackStream(s)
}

// sendTurn is one stream's turn: at most one DATA frame, and the end of the stream if that
// empties the queue.
func (c *Conn) sendTurn(s *Stream) {
	allowed := min(int64(maxDataFrame), int64(c.peer.maxFrame), s.sendWindow, c.sendWindow)
	said := false
	for s.queued > 0 && allowed > 0 {
		b := s.queue[0]
		p := b.B[s.queueOff:]
		if int64(len(p)) > allowed {
			p = p[:allowed]
		}
		s.queueOff += len(p)
		s.queued -= len(p)
		c.Unsent.remove(s, len(p))
		allowed -= int64(len(p))
		said = s.queued == 0 && s.endQueued && len(s.trailers) == 0
		c.appendData(s, p, said)
		if s.queueOff == len(b.B) {
			s.queueOff, s.queue[0], s.queue = 0, nil, s.queue[1:]
			b.Free()
		}
	}
	if s.queued == 0 {
		s.queue = nil
		if s.endQueued && !s.LocalClosed {
			c.finish(s, said)
		}
	}
}
