package naru

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/transport"
)

// Peer is the other end of a call's connection.
type Peer struct {
	// Addr and LocalAddr are the ends of the connection. An in-process connection's Network is
	// "inproc".
	Addr, LocalAddr net.Addr
	// TLS is the state of the connection, complete with the peer's certificates; nil on plaintext.
	// It must not be changed.
	TLS *tls.ConnectionState
	// ConnectionID numbers connections of this process, for logs.
	ConnectionID uint64
}

func peerOf(info *transport.ConnInfo) Peer {
	return Peer{Addr: info.Remote, LocalAddr: info.Local, TLS: info.TLS, ConnectionID: info.ID}
}

// PeerFromContext returns who made the call a handler's context belongs to, and whether it is
// one's.
func PeerFromContext(ctx context.Context) (Peer, bool) {
	c := server.FromContext(ctx)
	if c == nil {
		return Peer{}, false
	}
	return peerOf(c.Conn()), true
}
