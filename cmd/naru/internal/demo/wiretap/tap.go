package wiretap

import (
	"context"
	"net"
	"slices"
	"sync"
)

// Tap collects what crosses the connections it is put on. Safe for concurrent use. The zero value
// is ready.
type Tap struct {
	// guarded by mu
	mu      sync.Mutex
	conns   int
	events  []Event
	changed chan struct{} // unbuffered: carries nothing; closed, and replaced, by the next event
}

// Client returns c as the end of a client, with the tap on it. Only the result may be used then.
func (t *Tap) Client(c net.Conn) net.Conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns++
	return &conn{
		Conn:  c,
		tap:   t,
		read:  newDecoder(t.conns, ToClient, t.addLocked),
		write: newDecoder(t.conns, ToServer, t.addLocked),
	}
}

// Conns returns how many connections were tapped.
func (t *Tap) Conns() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conns
}

// Mark returns a position: the number of events so far.
func (t *Tap) Mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.events)
}

// Since returns the events after a mark, in the order in which they passed the tap.
func (t *Tap) Since(mark int) []Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.events[mark:])
}

// Wait returns the events after a mark as soon as enough says that they are what the caller waits
// for, or when ctx ends, as they are then.
func (t *Tap) Wait(ctx context.Context, mark int, enough func([]Event) bool) []Event {
	for {
		t.mu.Lock()
		events := slices.Clone(t.events[mark:])
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		if enough(events) {
			return events
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return events
		}
	}
}

func (t *Tap) addLocked(e Event) {
	t.events = append(t.events, e)
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// conn is a net.Conn with a tap on it.
type conn struct {
	// immutable
	net.Conn
	tap *Tap

	// guarded by tap.mu
	read, write *decoder
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.tap.mu.Lock()
		c.read.write(p[:n])
		c.tap.mu.Unlock()
	}
	return n, err
}

// Write reports what it is about to write first, so that no answer to it can be reported before.
// Bytes that could not be written are reported too; the connection is lost then.
func (c *conn) Write(p []byte) (int, error) {
	c.tap.mu.Lock()
	c.write.write(p)
	c.tap.mu.Unlock()
	return c.Conn.Write(p)
}
