package pair

import (
	"net"
	"sync"
)

// A Valve stops the flow of connections, in one direction or both, without breaking them: a network
// that stands still. Its methods are safe for concurrent use.
type Valve struct {
	mu sync.Mutex
	// guarded by mu
	reads, writes *limit
	opened        chan struct{} // closed when it is opened for good
}

// limit is what a direction lets through.
type limit struct {
	left    int
	reached chan struct{} // closed when nothing is left and more wants to pass
	once    sync.Once
}

// NewValve returns an open valve.
func NewValve() *Valve { return &Valve{opened: make(chan struct{})} }

// StopReads lets the client read n bytes more, in all its connections together, and StopWrites lets
// it write as many. The returned channel is closed when more would pass. To be called once each.
func (v *Valve) StopReads(n int) (reached <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads = &limit{left: n, reached: make(chan struct{})}
	return v.reads.reached
}

// StopWrites is described at [Valve.StopReads].
func (v *Valve) StopWrites(n int) (reached <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writes = &limit{left: n, reached: make(chan struct{})}
	return v.writes.reached
}

// Open opens the valve for good.
func (v *Valve) Open() { close(v.opened) }

// Wrap puts the valve into a connection that a client has dialed.
func (v *Valve) Wrap(nc net.Conn) net.Conn {
	return &valveConn{Conn: nc, v: v, closed: make(chan struct{})}
}

type valveConn struct {
	net.Conn
	v      *Valve
	once   sync.Once
	closed chan struct{} // closed by Close
}

// Read implements net.Conn. Bytes that have been read wait in front of the valve.
func (c *valveConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		err = c.wait(n, func() *limit { return c.v.reads })
	}
	return n, err
}

// Write implements net.Conn.
func (c *valveConn) Write(p []byte) (int, error) {
	if err := c.wait(len(p), func() *limit { return c.v.writes }); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *valveConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// wait returns when n bytes may pass.
func (c *valveConn) wait(n int, of func() *limit) error {
	c.v.mu.Lock()
	l := of()
	if l == nil || n <= l.left {
		if l != nil {
			l.left -= n
		}
		c.v.mu.Unlock()
		return nil
	}
	l.left = 0
	l.once.Do(func() { close(l.reached) })
	c.v.mu.Unlock()
	select {
	case <-c.v.opened:
		return nil
	case <-c.closed:
		return net.ErrClosed
	}
}
