package hostile

import (
	"sync"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// credit is the windows a peer was given, for attacks that keep to them.
type credit struct {
	mu      sync.Mutex
	conn    int64
	initial int64
	streams map[uint32]int64 // what was given or taken beyond initial
	ended   map[uint32]bool  // streams that the other side has ended
	changed chan struct{}    // capacity 1: windows grew
	serves  bool             // the peer is a server: the end of a request is not that of its stream
}

func newCredit() *credit {
	return &credit{conn: 65535, initial: 65535, streams: make(map[uint32]int64), ended: make(map[uint32]bool), changed: make(chan struct{}, 1)}
}

func (c *credit) give(id uint32, n int64) {
	c.mu.Lock()
	if id == 0 {
		c.conn += n
	} else {
		c.streams[id] += n
	}
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// frame takes note of what a received frame says of windows.
func (c *credit) frame(h frame.Header, b []byte) {
	switch {
	case h.Type == frame.TypeRSTStream,
		!c.serves && (h.Type == frame.TypeHeaders || h.Type == frame.TypeData) && h.Flags.Has(frame.FlagEndStream):
		c.mu.Lock()
		c.ended[h.StreamID] = true
		c.mu.Unlock()
		c.give(0, 0)
	case h.Type == frame.TypeWindowUpdate:
		if inc, err := frame.ParseWindowUpdate(h, b); err == nil {
			c.give(h.StreamID, int64(inc))
		}
	case h.Type == frame.TypeSettings && !h.Flags.Has(frame.FlagAck):
		st := frame.Settings(b)
		for i := range st.Len() {
			if s := st.At(i); s.ID == frame.SettingInitialWindowSize {
				c.mu.Lock()
				c.initial = int64(s.Value)
				c.mu.Unlock()
				c.give(0, 0)
			}
		}
	}
}

// take takes up to n bytes of window, waiting for some; 0 when the attack is over, or the other
// side has ended the stream.
func (c *credit) take(stop <-chan struct{}, id uint32, n int) int {
	for {
		c.mu.Lock()
		k := min(int64(n), c.conn, c.initial+c.streams[id])
		if k > 0 {
			c.conn -= k
			c.streams[id] -= k
			c.mu.Unlock()
			return int(k)
		}
		gone := c.ended[id]
		c.mu.Unlock()
		if gone {
			return 0
		}
		select {
		case <-c.changed:
		case <-stop:
			return 0
		}
	}
}

// gone reports whether the other side has ended a stream.
func (c *credit) gone(id uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended[id]
}

// try takes n bytes of window, or what there is.
func (c *credit) try(id uint32, n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := max(min(int64(n), c.conn, c.initial+c.streams[id]), 0)
	c.conn -= k
	c.streams[id] -= k
	return int(k)
}
