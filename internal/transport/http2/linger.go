package http2

import (
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A socket that is closed while bytes are unread, or still arrive, answers them with a TCP reset.
// The reset discards what this side has sent and the peer has not read: responses, and the GOAWAY
// with the reason. A peer may go on sending for a round trip: the rest of a request that was
// answered early, new streams after a GOAWAY, a WINDOW_UPDATE. So a connection that ends with
// something sent by this side is first closed for writing, and then read until the peer has closed
// it, too.
const (
	// lingerTimeout is how long a peer has for that, as with grpc-go. It takes one round trip.
	lingerTimeout = time.Second
	// lingerBytes is more than any window of ours permits.
	lingerBytes = 128 << 20
	// A peer that broke a rule, or never spoke HTTP/2, has less, and only maxLingerFaults of them
	// at a time have any: it can lose no more than the reason.
	lingerFaultTimeout = 250 * time.Millisecond
	lingerFaultBytes   = 1 << 20
	maxLingerFaults    = 256 // of a server's connections
	// lingerBuffer is what one connection that lingers holds.
	lingerBuffer = 4 << 10
)

// faults counts the connections of a server that linger after a fault of their peers.
type faults struct{ n atomic.Int32 }

func (f *faults) enter() bool {
	if f.n.Add(1) <= maxLingerFaults {
		return true
	}
	f.n.Add(-1)
	return false
}

func (f *faults) leave() { f.n.Add(-1) }

// linger closes the connection for writing and reads what still arrives. open is how many streams
// ended with it: without any, a server has nothing left to send to a client.
func (c *conn) linger(err *transport.Error, open int) {
	c.mu.Lock()
	dead := c.out.phase == writeDead
	c.freeOutLocked()
	c.mu.Unlock()
	fault := frame.ErrCode(err.Code) != frame.NoError
	if dead || err.Token == reason.KeepaliveTimeout || c.role == h2.Client && open == 0 && !fault {
		return
	}
	limit, bytes := lingerTimeout, lingerBytes
	if fault || c.role == h2.Client {
		limit, bytes = lingerFaultTimeout, lingerFaultBytes
	}
	if fault && c.memory != nil {
		if !c.memory.faults.enter() {
			return
		}
		defer c.memory.faults.leave()
	}
	lingerOn(c.nc, limit, bytes)
}

// lingerOn is linger on a connection whose TLS, if any, has sent its last record: what arrives is
// not decrypted.
func lingerOn(nc net.Conn, limit time.Duration, bytes int) {
	closeWrite(nc)
	if tc, ok := nc.(*tls.Conn); ok {
		nc = tc.NetConn()
	}
	if s, ok := nc.(*spillConn); ok {
		nc = s.Conn
	}
	closeWrite(nc)
	_ = nc.SetReadDeadline(time.Now().Add(limit))
	buf := mem.Get(lingerBuffer)
	defer buf.Free()
	p := buf.B[:lingerBuffer]
	for bytes > 0 {
		n, err := nc.Read(p)
		if err != nil {
			return
		}
		bytes -= n
	}
}

// closeWrite tells the peer that nothing more will be sent. It does nothing on a connection that
// cannot.
func closeWrite(nc net.Conn) {
	if hc, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = hc.CloseWrite() // of TLS it fails before the end of the handshake
	}
}
