package nethttp

import (
	"io"
	"time"

	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// Sizes of what is read at once: little until there is much to read, since thousands of streams
// may wait for their clients.
const (
	firstRead = 4 << 10
	largeRead = 32 << 10
)

// read hands the body to the sink, as fast as the program takes it.
func (st *stream) read(done chan<- struct{}) {
	defer close(done)
	c := st.conn
	buf := mem.Get(firstRead)
	defer func() { buf.Free() }()
	for {
		size, ok := st.awaitWindow()
		if !ok {
			return
		}
		if full := cap(buf.B); len(buf.B) == full && full < largeRead {
			buf.Free()
			buf = mem.Get(largeRead)
		}
		buf.B = buf.B[:min(size, cap(buf.B))]
		n, err := st.body.Read(buf.B)
		buf.B = buf.B[:n]
		end := err == io.EOF
		if n > 0 || end {
			st.data(buf.B, end)
			c.server.cfg.Memory.shed()
		}
		if end {
			return
		}
		if err != nil {
			st.fail(lost(err))
			return
		}
	}
}

// awaitWindow waits until something may be read and returns how much; false when the stream is
// over.
func (st *stream) awaitWindow() (int, bool) {
	c := st.conn
	for {
		c.mu.Lock()
		over, window := st.over != nil || st.muted && !st.drains, st.recv.Window()
		c.mu.Unlock()
		switch {
		case over:
			return 0, false
		case window > 0:
			return int(window), true
		}
		<-st.more
	}
}

// data hands bytes to the sink.
func (st *stream) data(p []byte, end bool) {
	c := st.conn
	st.deliver.Lock()
	defer st.deliver.Unlock()
	c.mu.Lock()
	n := int64(len(p))
	c.recv.ReceiveOn(&st.recv, n) // no more was read than its window
	c.recv.Delivered(&st.recv, n, c.now())
	c.tellHeldLocked()
	muted := st.muted
	if muted {
		c.recv.Consumed(&st.recv, n, c.now())
	}
	c.mu.Unlock()
	if end {
		st.endRequest()
	}
	if !muted {
		st.sink.Data(p, end)
	}
}

// endRequest notes that the client sends no more.
func (st *stream) endRequest() {
	c := st.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	st.requested = true
	c.recv.Close(&st.recv, c.now())
}

// linger is how long a client that is still sending on HTTP/1.1 may go on when it has been
// answered. It reads the response only if the connection is not reset meanwhile, as it is when what
// has been sent is not read before the connection is closed. net/http allows half a second, and
// does not read.
const linger = time.Second

// stopReading ends the reader: net/http's body must not be read when ServeHTTP has returned.
// answered says that the response has been sent whole.
func (st *stream) stopReading(done <-chan struct{}, answered bool) {
	c := st.conn
	c.mu.Lock()
	st.muted = true
	st.drains = answered && st.http1 && !st.requested
	drains := st.drains
	wake(st.more)
	whole := st.requested
	c.mu.Unlock()
	if whole {
		<-done // it reads no more, and a deadline would break the connection that the next request comes on
		return
	}
	if drains && st.rc.Flush() == nil {
		t := time.NewTimer(linger)
		select {
		case <-done:
		case <-t.C:
		}
		t.Stop()
	}
	select {
	case <-done:
		return
	default:
	}
	// On HTTP/1.1 a body must not be closed while it is read, and waits for its end if it is not.
	if st.rc.SetReadDeadline(time.Unix(1, 0)) != nil {
		_ = st.body.Close()
	}
	<-done
}

// watchLocked looks after messages that wait for memory of the connection while there are any.
func (c *Conn) watchLocked() {
	if !c.recv.Waits() || c.ticking {
		return
	}
	c.ticking = true
	if c.tick == nil {
		c.tick = time.AfterFunc(time.Duration(flow.TickEvery), c.onTick)
	} else {
		c.tick.Reset(time.Duration(flow.TickEvery))
	}
}

func (c *Conn) onTick() {
	c.mu.Lock()
	c.ticking = false
	var end []*stream
	for _, r := range c.recv.Tick(c.received, c.now()) {
		if st := c.streams[r.ID()]; st != nil {
			end = append(end, st)
		}
	}
	if len(c.streams) > 0 {
		c.watchLocked()
	}
	c.mu.Unlock()
	for _, st := range end {
		st.end(transport.ErrConnectionMemory)
	}
}

// received is an iterator over the receive side of all streams.
func (c *Conn) received(yield func(*flow.Stream) bool) {
	for _, st := range c.streams {
		if !yield(&st.recv) {
			return
		}
	}
}
