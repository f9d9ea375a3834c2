package h2

// pushReady links a stream that has data and a window at the end of the ring.
func (c *Conn) pushReady(s *Stream) {
	if s.ready {
		return
	}
	s.ready, s.next = true, nil
	if c.readyTail == nil {
		c.readyHead = s
	} else {
		c.readyTail.next = s
	}
	c.readyTail = s
}

func (c *Conn) popReady() *Stream {
	s := c.readyHead
	c.readyHead = s.next
	if c.readyHead == nil {
		c.readyTail = nil
	}
	s.ready, s.next = false, nil
	return s
}

// unlinkReady takes a stream out of the ring wherever it stands. Linear, but only for
// streams that end with data queued.
func (c *Conn) unlinkReady(s *Stream) {
	if !s.ready {
		return
	}
	var prev *Stream
	for at := c.readyHead; at != nil; prev, at = at, at.next {
		if at != s {
			continue
		}
		if prev == nil {
			c.readyHead = s.next
		} else {
			prev.next = s.next
		}
		if c.readyTail == s {
			c.readyTail = prev
		}
		break
	}
	s.ready, s.next = false, nil
}

// Fill moves queued data into Out, one frame a stream in turn, until Out holds limit bytes, no
// stream has both data and a window, or the connection's window is spent.
func (c *Conn) Fill(limit int) {
	for c.readyHead != nil && len(c.Out) < limit {
		if c.sendWindow <= 0 {
			return // every stream in the ring waits for the same window
		}
		s := c.popReady()
		c.sendTurn(s)
		if !s.Closed && c.canSend(s) {
			c.pushReady(s)
		}
		if s.Waiting && s.queued <= SendLowWater {
			s.Waiting = false
			c.Wake = append(c.Wake, s)
		}
	}
}

// CanFill tells whether Fill would move something.
func (c *Conn) CanFill() bool {
	return c.readyHead != nil && c.sendWindow > 0
}

// Windows tells whether the stream's own window and the connection's let data out.
func (c *Conn) Windows(s *Stream) (stream, conn bool) { return s.sendWindow > 0, c.sendWindow > 0 }

// canSend tells whether the stream's own state lets something of its queue out.
func (c *Conn) canSend(s *Stream) bool {
	return s.queued > 0 && s.sendWindow > 0
}

// sendTurn is one stream's turn: at most one DATA frame, and the end of the stream if that
// empties the queue.
func (c *Conn) sendTurn(s *Stream) {
	room := min(int64(maxDataFrame), int64(c.peerMaxFrame), s.sendWindow, c.sendWindow)
	said := false
	for s.queued > 0 && room > 0 {
		b := s.queue[0]
		p := b.B[s.queueOff:]
		if int64(len(p)) > room {
			p = p[:room]
		}
		s.queueOff += len(p)
		s.queued -= len(p)
		c.unqueued(s, len(p))
		room -= int64(len(p))
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
