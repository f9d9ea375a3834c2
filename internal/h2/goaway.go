package h2

import (
	"errors"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// maxGoAwayDebug bounds what is copied of a peer's debug data, which may be as long as it likes.
const maxGoAwayDebug = 256

// Reasons why OpenStream takes no new stream.
var (
	ErrStreamLimit = errors.New("peer's SETTINGS_MAX_CONCURRENT_STREAMS reached")
	ErrGoingAway   = errors.New("connection is going away")
	ErrIDsSpent    = errors.New("stream ids are spent")
)

// OpenStream takes the next id (a client). The caller sends the head in the same critical
// section: ids must appear on the wire in order (RFC 9113 §5.1.1).
func (c *Conn) OpenStream() (*Stream, error) {
	switch {
	case c.GoingAway():
		return nil, ErrGoingAway
	case c.nextID > maxStreamID:
		return nil, ErrIDsSpent
	case uint32(len(c.streams)) >= c.peer.maxStreams:
		return nil, ErrStreamLimit
	}
	s := c.newStream(c.nextID)
	c.nextID += 2
	return s, nil
}

// IDsLow reports whether three quarters of the stream ids are used: time for a new connection,
// long before §5.1.1 would force one in the middle of a burst.
func (c *Conn) IDsLow() bool { return c.nextID > maxStreamID/4*3 }

// SendGoAway queues GOAWAY with the last stream id we will handle. Callable twice: first with
// graceful (any id may still arrive), then with the final id (§6.8).
func (c *Conn) SendGoAway(graceful bool, code frame.ErrCode, debug string) {
	last := c.maxPeerID
	if graceful {
		last = maxStreamID
	}
	if c.goAway.sent && last > c.goAway.last {
		last = c.goAway.last // §6.8: must not increase
	}
	c.goAway.sent, c.goAway.last = true, last
	c.Out = frame.AppendGoAway(c.Out, last, code, debug)
}

// goAway is which ends the two sides have announced.
type goAway struct {
	sent     bool        // by this side: no new stream of the peer is accepted
	last     uint32      // with sent: the last id this side promised to handle
	received *peerGoAway // nil: none came
}

// ignores reports whether frames on a stream of the peer are to be ignored because its id is above
// the last one this side promised to handle (RFC 9113 §6.8).
func (g *goAway) ignores(id uint32) bool { return g.sent && id > g.last }

// peerGoAway is what the peer's GOAWAY said. Most connections see none.
type peerGoAway struct {
	max   uint32
	code  frame.ErrCode
	debug string
}

// RecvGoAway applies GOAWAY and returns the streams the peer will not have processed: they are
// removed, and safe to retry elsewhere.
func (c *Conn) RecvGoAway(g frame.GoAway) ([]*Stream, error) {
	last := g.LastStreamID
	before := c.goAway.received
	if before != nil && last > before.max {
		// §6.8: endpoints MUST NOT increase the value they send.
		return nil, connError(frame.ProtocolError, "goaway_increase", "GOAWAY raises its last stream id from %d to %d", before.max, last)
	}
	if before == nil || g.Code != frame.NoError || len(g.Debug) > 0 {
		// A graceful end comes in two frames; the one that says more is kept.
		c.goAway.received = &peerGoAway{code: g.Code, debug: string(g.Debug[:min(len(g.Debug), maxGoAwayDebug)])}
	}
	c.goAway.received.max = last
	if c.cfg.Role == Server {
		return nil, nil
	}
	var dropped []*Stream
	for id, s := range c.streams {
		if id > last {
			dropped = append(dropped, s)
		}
	}
	for _, s := range dropped {
		c.remove(s)
	}
	return dropped, nil
}

// PeerGoAway returns what the peer's GOAWAY said; ok is false if none came.
func (c *Conn) PeerGoAway() (code frame.ErrCode, debug string, ok bool) {
	if c.goAway.received == nil {
		return 0, "", false
	}
	return c.goAway.received.code, c.goAway.received.debug, true
}

// GoingAway reports whether either side has announced the end.
func (c *Conn) GoingAway() bool { return c.goAway.received != nil || c.goAway.sent }
