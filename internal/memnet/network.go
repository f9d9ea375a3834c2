package memnet

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// backlog is how many dialled connections wait for Accept; more dials block, as with a
// socket's listen queue.
const backlog = 128

// Network is a set of listeners with names. The zero value is ready; safe for concurrent use.
type Network struct {
	// Buffer is the capacity of each direction of new connections in bytes; 0 and less mean
	// [DefaultBuffer]. Set it before the first Dial.
	Buffer int

	mu        sync.Mutex
	listeners map[Addr]*Listener // guarded by mu
	dialled   int                // guarded by mu; names the client ends
}

// Listen returns a listener under name. It fails with syscall.EADDRINUSE while another one
// has it; a closed listener's name is free again. The empty name picks an unused one.
func (n *Network) Listen(name string) (*Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name == "" {
		name = n.freeNameLocked()
	}
	addr := Addr(name)
	if _, taken := n.listeners[addr]; taken {
		return nil, &net.OpError{Op: "listen", Net: "mem", Addr: addr, Err: errInUse}
	}
	l := &Listener{
		network: n,
		addr:    addr,
		queue:   make(chan *Conn, backlog),
		done:    make(chan struct{}),
	}
	if n.listeners == nil {
		n.listeners = make(map[Addr]*Listener)
	}
	n.listeners[addr] = l
	return l, nil
}

func (n *Network) freeNameLocked() string {
	for i := 1; ; i++ {
		name := fmt.Sprintf("mem-%d", i)
		if _, taken := n.listeners[Addr(name)]; !taken {
			return name
		}
	}
}

// Dial connects to the listener under name. It fails with syscall.ECONNREFUSED if there is
// none, and with ctx's error if that ends while the listener's queue is full.
func (n *Network) Dial(ctx context.Context, name string) (*Conn, error) {
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "mem", Addr: Addr(name), Err: err}
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	n.mu.Lock()
	l := n.listeners[Addr(name)]
	n.dialled++
	client := Addr(fmt.Sprintf("client-%d", n.dialled))
	n.mu.Unlock()
	if l == nil {
		return fail(errRefused)
	}
	a, b := newConns(n.Buffer, client, l.addr)
	if err := l.offer(ctx, b); err != nil {
		return fail(err)
	}
	return a, nil
}

// DialContext is Dial in the shape of net.Dialer's method, for options that take a dialer.
// The network argument is not looked at.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	c, err := n.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Listener accepts connections dialled by its name. Safe for concurrent use.
type Listener struct {
	// immutable after Listen
	network *Network
	addr    Addr
	queue   chan *Conn    // capacity backlog; never closed
	done    chan struct{} // unbuffered; closed by Close

	mu     sync.RWMutex // read-held while offering, so that Close sees every queued conn
	closed bool         // guarded by mu
}

func (l *Listener) offer(ctx context.Context, c *Conn) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return errRefused
	}
	select {
	case l.queue <- c:
		return nil
	case <-l.done:
		return errRefused
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept waits for a connection. After Close it returns an error that is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.done: // before the queue: Close wins over what waits
	default:
		select {
		case c := <-l.queue:
			return c, nil
		case <-l.done:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "mem", Addr: l.addr, Err: net.ErrClosed}
}

// Close frees the name, ends Accept, and resets connections nobody accepted.
func (l *Listener) Close() error {
	l.network.mu.Lock()
	already := l.network.listeners[l.addr] != l
	if !already {
		delete(l.network.listeners, l.addr)
		close(l.done) // lets offers that wait go, and with them their read lock
	}
	l.network.mu.Unlock()
	if already {
		return &net.OpError{Op: "close", Net: "mem", Addr: l.addr, Err: net.ErrClosed}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for {
		select {
		case c := <-l.queue:
			c.Abort()
		default:
			return nil
		}
	}
}

// Addr returns an [Addr] that holds the name.
func (l *Listener) Addr() net.Addr { return l.addr }
