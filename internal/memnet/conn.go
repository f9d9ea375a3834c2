package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// DefaultBuffer is the capacity of one direction of a connection, in bytes, where no other is
// asked for: that of a typical socket buffer, so that writers meet back-pressure in tests too.
const DefaultBuffer = 64 << 10

// Addr is an address in a memory network.
type Addr string

// Network returns "mem".
func (Addr) Network() string { return "mem" }

// String returns the name.
func (a Addr) String() string { return string(a) }

// Conn is one end of a connection in memory. It is a [net.Conn] with half close, and like
// one it is safe for concurrent use.
type Conn struct {
	// immutable after Pipe
	in, out       *pipe // out is the other end's in
	local, remote Addr
	onClose       func() // nil: nothing to tell

	closed sync.Once
}

// Pipe returns the two ends of a new connection. buffer is the capacity of each direction in
// bytes; 0 and less mean [DefaultBuffer].
func Pipe(buffer int) (client, server *Conn) {
	return newConns(buffer, "client", "server")
}

func newConns(buffer int, clientAddr, serverAddr Addr) (client, server *Conn) {
	if buffer <= 0 {
		buffer = DefaultBuffer
	}
	up, down := newPipe(buffer), newPipe(buffer)
	client = &Conn{in: down, out: up, local: clientAddr, remote: serverAddr}
	server = &Conn{in: up, out: down, local: serverAddr, remote: clientAddr}
	return client, server
}

// Read reads what the other end wrote. After the other end's Close or CloseWrite it returns
// what is left and then io.EOF; after its Abort an error that is syscall.ECONNRESET.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.in.read(b)
	if err != nil && err != io.EOF {
		err = c.wrap("read", err)
	}
	return n, err
}

// Write returns when all of b is in the buffer. After the other end's Close it returns an
// error that is syscall.EPIPE; it does not keep b.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.out.write(b)
	if err != nil {
		err = c.wrap("write", err)
	}
	return n, err
}

// Close ends both directions. The other end reads what was written before, then io.EOF.
func (c *Conn) Close() error {
	return c.close(func() {
		c.out.closeWrite(net.ErrClosed)
		c.in.abort(net.ErrClosed, errPipe)
	})
}

// Abort ends both directions at once, as a TCP reset does: what is in flight is lost and the
// other end's reads and writes fail with syscall.ECONNRESET.
func (c *Conn) Abort() {
	_ = c.close(func() {
		c.out.abort(errReset, net.ErrClosed)
		c.in.abort(net.ErrClosed, errReset)
	})
}

func (c *Conn) close(end func()) error {
	err := c.wrap("close", net.ErrClosed)
	c.closed.Do(func() {
		err = nil
		end()
		// A deadline's timer must not outlive the connection.
		_ = c.SetDeadline(time.Time{})
		if c.onClose != nil {
			c.onClose()
		}
	})
	return err
}

// CloseWrite ends the direction away from this end; the other goes on.
func (c *Conn) CloseWrite() error {
	c.out.closeWrite(net.ErrClosed)
	return nil
}

// Unread returns how many bytes written on this end the other has not read.
func (c *Conn) Unread() int { return c.out.held() }

// LocalAddr returns an [Addr].
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns an [Addr].
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines. The zero time means none.
func (c *Conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads that wait at t fail with os.ErrDeadlineExceeded.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.readStop, t)
	return nil
}

// SetWriteDeadline makes writes that wait at t fail with os.ErrDeadlineExceeded.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.writeStop, t)
	return nil
}

func (c *Conn) wrap(op string, err error) error {
	if err == os.ErrDeadlineExceeded || err == net.ErrClosed {
		return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: err}
	}
	return &net.OpError{Op: op, Net: "mem", Source: c.local, Addr: c.remote, Err: os.NewSyscallError(op, err)}
}
