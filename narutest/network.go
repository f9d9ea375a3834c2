package narutest

import (
	"context"
	"net"

	"github.com/naru-rpc/naru/internal/memnet"
)

// Network is a network in memory: listeners with names, and connections to them with buffers
// of 64 KiB each way, deadlines and half close. It may live inside a testing/synctest bubble,
// and must then stay there. Safe for concurrent use.
type Network struct{ net memnet.Network }

// NewNetwork returns a network without listeners.
func NewNetwork() *Network { return new(Network) }

// Listen returns a listener that [Network.Dial] finds under name; the empty name picks an unused
// one. A name that is in use is an error; closing the listener frees it.
func (n *Network) Listen(name string) (net.Listener, error) {
	l, err := n.net.Listen(name)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Dial connects to the listener called addr, in the shape of net.Dialer's DialContext.
// network is not looked at. Where nobody listens the error is syscall.ECONNREFUSED.
func (n *Network) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.net.DialContext(ctx, network, addr)
}

// Pipe returns the two ends of a connection, with buffers of the given number of bytes each
// way; 0 and less mean 64 KiB. Both ends have a CloseWrite method as a *net.TCPConn has.
func Pipe(buffer int) (client, server net.Conn) {
	return memnet.Pipe(buffer)
}
