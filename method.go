package naru

import (
	"strings"

	"github.com/naru-rpc/naru/internal/call/client"
)

// Kind is one of the four kinds of call.
type Kind uint8

// The four kinds.
const (
	KindUnary Kind = iota
	KindServerStream
	KindClientStream
	KindBidi
)

// String returns "unary", "server stream", "client stream" or "bidi".
func (k Kind) String() string {
	switch k {
	case KindUnary:
		return "unary"
	case KindServerStream:
		return "server stream"
	case KindClientStream:
		return "client stream"
	case KindBidi:
		return "bidi"
	}
	return "invalid kind"
}

// ClientStreams tells whether the client may send more than one message.
func (k Kind) ClientStreams() bool { return k == KindClientStream || k == KindBidi }

// ServerStreams tells whether the server may send more than one message.
func (k Kind) ServerStreams() bool { return k == KindServerStream || k == KindBidi }

// Idempotency is the idempotency_level of a method's options in its .proto file.
type Idempotency uint8

// Levels. Retries on a policy are on by default only for the last two.
const (
	IdempotencyUnknown Idempotency = iota
	NoSideEffects
	Idempotent
)

// MethodInfo describes one method of a service. Generated code holds one per method;
// it is immutable after its first use and compared by pointer.
type MethodInfo struct {
	// FullMethod is the path on the wire: "/package.Service/method".
	FullMethod string
	// Kind tells who sends how many messages.
	Kind Kind
	// Idempotency tells whether the call may be executed more than once.
	Idempotency Idempotency
	// Generic marks a method whose name the program did not know when it was built, such as that of
	// a proxy. Metrics count the calls of all such methods as "other", since there is no bound on
	// their number.
	Generic bool
}

// Service returns the full name of the service: the part between the slashes.
func (m *MethodInfo) Service() string {
	path := strings.TrimPrefix(m.FullMethod, "/")
	return path[:max(0, strings.LastIndexByte(path, '/'))]
}

// Name returns the method's name on the wire: the part after the last slash.
func (m *MethodInfo) Name() string {
	return m.FullMethod[strings.LastIndexByte(m.FullMethod, '/')+1:]
}

func (m *MethodInfo) client() client.Method {
	return client.Method{
		FullMethod:    m.FullMethod,
		ClientStreams: m.Kind.ClientStreams(),
		ServerStreams: m.Kind.ServerStreams(),
		Idempotent:    m.Idempotency != IdempotencyUnknown,
		Generic:       m.Generic,
	}
}
