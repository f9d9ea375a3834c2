package serve

import (
	"net"
	"sync"
	"sync/atomic"
)

// handOver is a net.Listener of connections that were accepted elsewhere.
type handOver struct {
	conns  chan net.Conn // unbuffered: a connection is in somebody's hands at any time
	closed chan struct{} // closed once by Close
	once   sync.Once
	addr   atomic.Pointer[net.Addr]
}

func addrOf(nc net.Conn) *net.Addr {
	a := nc.LocalAddr()
	return &a
}

// Accept implements net.Listener.
func (h *handOver) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handOver) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

// Addr implements net.Listener.
func (h *handOver) Addr() net.Addr {
	if a := h.addr.Load(); a != nil {
		return *a
	}
	return &net.TCPAddr{}
}
