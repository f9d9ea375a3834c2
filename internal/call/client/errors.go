package client

import (
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// clientStatus is the status of a call that the transport ended. It is the only place where that is
// decided for clients; the table of its test is the specification.
func transportStatus(e *transport.Error) *status.Status {
	return status.New(transportCode(e), e.Error()).WithCause(e)
}

func transportCode(e *transport.Error) codes.Code {
	switch {
	case e.Origin == transport.OriginUser:
		return codes.Canceled
	case e.Unprocessed, e.Scope == transport.ScopeConn:
		// Whatever broke the connection, another one may work.
		return codes.Unavailable
	case e.Origin == transport.OriginPeer:
		return codes.FromHTTP2Error(e.Code)
	case e.Token == reason.PeerHeaderList:
		return codes.ResourceExhausted
	}
	// This side's transport found the stream malformed (RFC 9113 §8.1.1).
	return codes.Internal
}
