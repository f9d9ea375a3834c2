package channel

// Further connections to the same address (gRFC A105).

// maxConns is how many connections the address may have now.
func (s *subConn) maxConns() int {
	n := s.ch.methods.Load().maxConnections
	if n == 0 {
		n = s.ch.cfg.MaxConnections
	}
	return min(n, s.ch.cfg.MaxConnectionsCap)
}

// grow starts an attempt for a further connection if calls wait for one and none is under way or
// barred by backoff. Called by the event loop.
func (s *subConn) grow() {
	n := len(s.list())
	if s.stopped || n == 0 || s.attempt != nil || s.stopBackoff != nil {
		return
	}
	if s.slots.waiting.Load() > 0 && n < s.maxConns() {
		s.connect()
	}
}

// mayGrow is what can be seen of grow's conditions from outside the event loop: it spares an event
// for each call that joins the queue of an address that has all it may have.
func (s *subConn) mayGrow() bool { return len(s.list()) < s.maxConns() }

// trimLater looks after ExtraConnectionIdle whether the newest connection is still of use. gRFC
// A105 leaves closing to the server; here the client gives back what it took on top.
func (s *subConn) trimLater() {
	if s.stopTrim != nil || len(s.list()) < 2 {
		return
	}
	var seen []uint64
	for _, c := range s.list() {
		seen = append(seen, c.picks())
	}
	before := s.list()
	s.stopTrim = s.ch.afterFunc(s.ch.cfg.ExtraConnectionIdle, func() {
		s.stopTrim = nil
		now := s.list()
		for i := len(now) - 1; i > 0; i-- {
			c := now[i]
			unused := i < len(before) && before[i] == c && seen[i] == c.picks() && c.calls() <= 0
			if unused {
				c.t.Drain(trimReason)
			}
		}
		s.trimLater()
	})
}

const trimReason = "the connection was opened for the peer's limit of concurrent streams and is not needed any more"
