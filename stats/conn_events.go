package stats

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/naru-rpc/naru/connectivity"
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

// ConnOpened reports a connection that calls can be made on: the handshakes are over.
type ConnOpened struct {
	Conn
	// Side is the end this process is.
	Side Side
	// Target is what a client was made for; "" on a server.
	Target string
	// At is when it was ready.
	At time.Time
	// Connecting is how long a client took to connect, with the handshakes; 0 on a server.
	Connecting time.Duration
}

// ConnClosed reports that a connection that was opened is gone.
type ConnClosed struct {
	Conn
	// Side is the end this process is.
	Side Side
	// Target is what a client was made for; "" on a server.
	Target string
	// Reason says in one short stable word what ended it: the keys of naru.ServerStats.Ended and
	// naru.ClientStats.Ended.
	Reason string
	// Err says it in words.
	Err error
	// At is when.
	At time.Time
	// Age is how long the connection was open.
	Age time.Duration
}

// ConnFailed reports that a client could not connect to an address.
type ConnFailed struct {
	// Target is what the client was made for.
	Target string
	// Failure says to which address, and why.
	Failure *connectivity.Failure
}

func (*ConnOpened) event() {}
func (*ConnClosed) event() {}
func (*ConnFailed) event() {}
