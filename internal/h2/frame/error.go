package frame

import "github.com/naru-rpc/naru/internal/reason"

// Scope tells what a faulty frame ends.
type Scope uint8

// Scopes.
const (
	ScopeStream Scope = iota + 1 // RST_STREAM, RFC 9113 §5.4.2
	ScopeConn                    // GOAWAY and close, RFC 9113 §5.4.1
)

// String returns "stream" or "connection".
func (s Scope) String() string {
	if s == ScopeStream {
		return "stream"
	}
	return "connection"
}

// An Error says which rule a frame broke. The package's errors are shared values: two errors
// of one rule are the same pointer, and failing costs no allocation.
type Error struct {
	Scope Scope
	Code  ErrCode
	// Token names the rule: short, stable, unique in this package, for tests and metrics.
	Token reason.Code
	// Reason says it for people.
	Reason string
}

func (e *Error) Error() string {
	return "http2 frame: " + e.Reason + " (" + e.Scope.String() + " error " + e.Code.String() + ")"
}

func connError(code ErrCode, token reason.Code, text string) *Error {
	return &Error{Scope: ScopeConn, Code: code, Token: token, Reason: text}
}

func streamError(code ErrCode, token reason.Code, text string) *Error {
	return &Error{Scope: ScopeStream, Code: code, Token: token, Reason: text}
}
