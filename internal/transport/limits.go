package transport

import (
	"fmt"

	"github.com/naru-rpc/naru/internal/reason"
)

// limitError is the error of a call that a limit of this side ends, whatever transport it came on.
func limitError(token reason.Code, text string) *Error {
	return &Error{
		Scope: ScopeStream, Origin: OriginLocal, Code: 0xb, Token: token, Reason: text, // ENHANCE_YOUR_CALM, RFC 9113 §7
	}
}

// HeaderListOver is the error of a call whose header list of size bytes in fields fields exceeds a
// limit.
func HeaderListOver(size, fields uint64, maxSize, maxFields uint32) *Error {
	return limitError(reason.HeaderList, fmt.Sprintf("header list of %d bytes in %d fields, the limits are %d bytes and %d fields "+
		"(Limits.MaxHeaderListSize, Limits.HeaderFields)", size, fields, maxSize, maxFields))
}

// ServerMemoryOver is the error of the calls that end when the server holds its limit of bytes.
func ServerMemoryOver(limit int64) *Error {
	return limitError(reason.ServerMemory, fmt.Sprintf("server holds its limit of %d bytes of messages, "+
		"and this call's came or went more slowly than others' (Limits.ServerMemory, WithLimits)", limit))
}

// ErrConnectionMemory is the error of the calls that end when a connection holds its limit of
// bytes. It must not be changed.
var ErrConnectionMemory = limitError(reason.ConnectionMemory, "connection holds its limit of messages that have not come whole, "+
	"and this call's came more slowly than others' (Limits.ReceiveMemory, WithLimits)")
