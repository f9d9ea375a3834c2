package stats

import (
	"crypto/tls"
	"net"
)

// An Event is a pointer to one of the event structs of this package.
type Event interface{ event() }

// A Side is an end of a connection or call.
type Side uint8

// The two ends.
const (
	Server Side = iota
	Client
)

// String returns "server" or "client".
func (s Side) String() string {
	if s == Server {
		return "server"
	}
	return "client"
}

// A Conn is what is known of a connection. Its fields must not be changed.
type Conn struct {
	// ID numbers the connections of this process.
	ID uint64
	// Local and Remote are the ends. The Network of an in-process connection is "inproc".
	Local, Remote net.Addr
	// TLS is the state after the handshake; nil on plaintext.
	TLS *tls.ConnectionState
}
