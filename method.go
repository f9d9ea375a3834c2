package naru

import "strings"

// Kind is one of the four kinds of call.
type Kind uint8

// The four kinds.
const (
	KindUnary Kind = iota
	KindServerStream
	KindClientStream
	KindBidi
)

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
	FullMethod  string
	Kind        Kind
	Idempotency Idempotency
}

// Service returns the full name of the service: the part between the slashes.
func (m *MethodInfo) Service() string {
	s, _, _ := strings.Cut(strings.TrimPrefix(m.FullMethod, "/"), "/")
	return s
}

// Name returns the method's name on the wire: the part after the last slash.
func (m *MethodInfo) Name() string {
	return m.FullMethod[strings.LastIndexByte(m.FullMethod, '/')+1:]
}
