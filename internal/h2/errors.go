package h2

import (
	"fmt"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
)

// An Error is a fault of the peer's that ends a stream or the connection.
type Error struct {
	// StreamID is the stream that ends; 0: the whole connection does (RFC 9113 §5.4).
	StreamID uint32
	Code     frame.ErrCode
	// Token names the rule that fired: short, stable, unique to its detection site.
	Token  reason.Code
	Reason string
}

func (e *Error) Error() string {
	if e.StreamID == 0 {
		return fmt.Sprintf("connection error %v: %s", e.Code, e.Reason)
	}
	return fmt.Sprintf("stream %d error %v: %s", e.StreamID, e.Code, e.Reason)
}

func connError(code frame.ErrCode, token reason.Code, format string, args ...any) *Error {
	return &Error{Code: code, Token: token, Reason: fmt.Sprintf(format, args...)}
}

func streamError(id uint32, code frame.ErrCode, token reason.Code, text string) *Error {
	return &Error{StreamID: id, Code: code, Token: token, Reason: text}
}

// fromFrame is a frame's fault on the stream it came on.
func fromFrame(id uint32, e *frame.Error) *Error {
	if e.Scope == frame.ScopeConn {
		id = 0
	}
	return &Error{StreamID: id, Code: e.Code, Token: e.Token, Reason: e.Reason}
}
