package transport

import (
	"errors"
	"fmt"

	"github.com/naru-rpc/naru/internal/reason"
)

// Scope tells what an error ended.
type Scope uint8

// Scopes.
const (
	ScopeStream Scope = iota + 1
	ScopeConn
)

// Origin says who ended it.
type Origin uint8

// Origins.
const (
	OriginLocal   Origin = iota + 1 // this side's transport (a limit, a protocol check, a timer)
	OriginPeer                      // the peer said so: RST_STREAM, GOAWAY
	OriginNetwork                   // the socket failed or closed
	OriginUser                      // the program: Close, Reset, cancellation
)

// Error says what ended a stream or connection, who, and which rule fired.
type Error struct {
	Scope  Scope
	Origin Origin
	Code   uint32 // HTTP/2 error code, RFC 9113 §7
	// Token names the detection site: short, stable, for tests and metrics ("goaway",
	// "keepalive_timeout", "continuation_flood").
	Token reason.Code
	// Reason is a sentence fragment for people. Limits name their option here.
	Reason string
	// Unprocessed: the peer is known not to have acted on the request (RFC 9113 §8.7),
	// so that a retry is safe for any method.
	Unprocessed bool
	Cause       error // may be nil
}

func (e *Error) Error() string {
	s := e.Reason
	if s == "" {
		s = string(e.Token)
	}
	if e.Cause != nil {
		return fmt.Sprintf("%s: %v", s, e.Cause)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// A Section is a header section of a message.
type Section string

// Sections.
const (
	SectionRequestHeader  Section = "request header"
	SectionResponseHeader Section = "response header"  // of a response that continues
	SectionTrailer        Section = "response trailer" // also that of a trailers-only response
)

// A HeaderListError says that a header section is larger than the peer accepts, so that it was not
// sent (RFC 9113 §10.5.1): most peers reset the stream of a larger one, without a reason. Nothing
// was sent of the step it was part of, and the stream is as it was.
type HeaderListError struct {
	Section     Section
	Size, Limit int64 // bytes as RFC 9113 §6.5.2 counts them: 32 for each field besides its name and value
}

func (e *HeaderListError) Error() string {
	peer := "client"
	if e.Section == SectionRequestHeader {
		peer = "server"
	}
	return fmt.Sprintf("the %s of %d bytes is larger than the %d bytes the %s accepts (SETTINGS_MAX_HEADER_LIST_SIZE; in naru Limits.MaxHeaderListSize)",
		e.Section, e.Size, e.Limit, peer)
}

// HeadTooLarge is the error of Open for a request whose header section the peer does not accept.
func HeadTooLarge(size, limit int64) *Error {
	return &Error{
		Scope: ScopeStream, Origin: OriginLocal, Code: 0x2, Token: reason.PeerHeaderList, // INTERNAL_ERROR, RFC 9113 §7
		Reason: "the call cannot be sent",
		Cause:  &HeaderListError{Section: SectionRequestHeader, Size: size, Limit: limit},
	}
}

// ErrStreamLimit is returned by Open when the peer's SETTINGS_MAX_CONCURRENT_STREAMS is reached.
var ErrStreamLimit = errors.New("transport: peer's limit of concurrent streams reached")

// ErrAwaitDone is returned by the Await methods when their done channel was closed first.
var ErrAwaitDone = errors.New("transport: wait ended by its done channel")
