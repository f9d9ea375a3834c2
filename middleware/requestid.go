package middleware

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
)

// RequestIDConfig says how requests are given ids.
type RequestIDConfig struct {
	// Header is the metadata key that carries the id. "": "x-request-id".
	Header string
	// Distrust makes a server give every call an id of its own, whatever the client has sent.
	Distrust bool
	// New makes an id. nil: 128 random bits in hexadecimal. Safe for concurrent use.
	New func() string
}

// maxRequestID bounds an id that is taken from a peer.
const maxRequestID = 128

type requestIDKey struct{}

// RequestIDFrom returns the id of the request that ctx belongs to, "" if it has none.
func RequestIDFrom(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// RequestID returns an interceptor that gives every call an id. A server takes the one that the
// client has sent if it has at most 128 characters out of letters, digits and "-_.:/+=@", makes one
// otherwise, and sends it in the response's header. A client sends the id of its context, so that a
// call made while a request is handled has that request's id, or a new one. Handlers and
// interceptors that run later find it with RequestIDFrom.
func RequestID(c RequestIDConfig) naru.Interceptor {
	if c.Header == "" {
		c.Header = "x-request-id"
	}
	if c.New == nil {
		c.New = newRequestID
	}
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		if call.Side() == stats.Client {
			id := RequestIDFrom(ctx)
			if id == "" {
				id = c.New()
			}
			return next(metadata.AppendToOutgoingContext(context.WithValue(ctx, requestIDKey{}, id), c.Header, id))
		}
		id := ""
		if sent := metadata.ValueFromIncomingContext(ctx, c.Header); len(sent) == 1 && !c.Distrust && validRequestID(sent[0]) {
			id = sent[0]
		} else {
			id = c.New()
		}
		if err := naru.SetHeader(ctx, metadata.Pairs(c.Header, id)); err != nil {
			return err
		}
		return next(context.WithValue(ctx, requestIDKey{}, id))
	}
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails: crypto/rand ends the program if the system has no randomness
	return hex.EncodeToString(b[:])
}

func validRequestID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case c == '-', c == '_', c == '.', c == ':', c == '/', c == '+', c == '=', c == '@':
		default:
			return false
		}
	}
	return true
}
