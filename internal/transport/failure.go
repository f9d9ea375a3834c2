package transport

import (
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/reason"
)

// Failure is the error of a connection to address as users are told of it.
func (e *Error) Failure(address string) *connectivity.Failure {
	return &connectivity.Failure{
		Reason: e.reason(), Address: address, Time: time.Now(),
		Code: e.Code, Token: string(e.Token), Text: e.Reason, Err: e.Cause,
	}
}

// reason: by token where one says it all, else by who ended the connection.
func (e *Error) reason() connectivity.Reason {
	switch e.Token {
	case reason.GoAway:
		return connectivity.GoAway
	case reason.KeepaliveTimeout:
		return connectivity.Keepalive
	case reason.Preface:
		return connectivity.Preface
	}
	switch e.Origin {
	case OriginPeer:
		return connectivity.GoAway
	case OriginNetwork:
		return connectivity.Reset
	case OriginUser:
		return connectivity.Local
	}
	return connectivity.Protocol
}
