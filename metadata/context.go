package metadata

import (
	"context"
	"slices"
)

// IncomingKey is the key under which a context answers with the metadata that came with the
// call it belongs to: ctx.Value(metadata.IncomingKey{}) is nil, an MD, or an [Incoming]. It is
// exported for implementations of contexts, which so need not build an MD nobody asks for;
// everybody else uses the functions of this package.
type IncomingKey struct{}

// Incoming is received metadata that is put together on demand. Safe for concurrent use.
type Incoming interface {
	// IncomingMetadata returns all of it. The MD is the implementation's and is not changed.
	IncomingMetadata() MD
	// IncomingValues returns the values of one key, which is lower-case. The slice likewise.
	IncomingValues(key string) []string
}

// NewIncomingContext returns a context whose incoming metadata is md, in place of the
// parent's. md must not be changed afterwards. Tests of handlers use it.
func NewIncomingContext(ctx context.Context, md MD) context.Context {
	return context.WithValue(ctx, IncomingKey{}, md)
}

// FromIncomingContext returns a copy of the metadata the call came with, and whether the
// context is a call's at all.
func FromIncomingContext(ctx context.Context) (MD, bool) {
	switch v := ctx.Value(IncomingKey{}).(type) {
	case MD:
		return v.Copy(), true
	case Incoming:
		return v.IncomingMetadata().Copy(), true
	}
	return nil, false
}

// ValueFromIncomingContext returns a copy of the values of one key of the incoming metadata,
// nil if there are none. It costs less than FromIncomingContext.
func ValueFromIncomingContext(ctx context.Context, key string) []string {
	key = lower(key)
	switch v := ctx.Value(IncomingKey{}).(type) {
	case MD:
		if values, ok := v[key]; ok {
			return slices.Clone(values)
		}
		for k, values := range v { // an MD made by hand may have capitals
			if lower(k) == key {
				return slices.Clone(values)
			}
		}
	case Incoming:
		return slices.Clone(v.IncomingValues(key))
	}
	return nil
}

type outgoingKey struct{}

// outgoing is a list of additions, newest first, on top of an MD. A list, because
// interceptors add one pair each and a copy per pair would make that quadratic.
type outgoing struct {
	base  MD        // only at the end of the list
	kv    []string  // alternating, keys lower-case
	under *outgoing // nil at the end
}

// NewOutgoingContext returns a context whose calls take md with them, in place of the
// parent's outgoing metadata. md must not be changed afterwards.
func NewOutgoingContext(ctx context.Context, md MD) context.Context {
	return context.WithValue(ctx, outgoingKey{}, &outgoing{base: md})
}

// AppendToOutgoingContext returns a context whose calls take these alternating keys and
// values with them, besides what the parent has. It panics if there is a key without a value.
func AppendToOutgoingContext(ctx context.Context, kv ...string) context.Context {
	mustPair("AppendToOutgoingContext", kv)
	own := slices.Clone(kv)
	for i := 0; i < len(own); i += 2 {
		own[i] = lower(own[i])
	}
	under, _ := ctx.Value(outgoingKey{}).(*outgoing)
	return context.WithValue(ctx, outgoingKey{}, &outgoing{kv: own, under: under})
}

// FromOutgoingContext returns a copy of the metadata calls made with ctx take with them,
// and whether there is any.
func FromOutgoingContext(ctx context.Context) (MD, bool) {
	if _, ok := ctx.Value(outgoingKey{}).(*outgoing); !ok {
		return nil, false
	}
	md := make(MD)
	EachOutgoing(ctx, func(key, value string) { md.Append(key, value) })
	return md, true
}

// EachOutgoing calls f with every pair of the outgoing metadata, a key's values in their
// order, keys lower-case. It makes no copies. Values are as the user gave them: not
// checked, and not coded for the wire.
func EachOutgoing(ctx context.Context, f func(key, value string)) {
	if o, ok := ctx.Value(outgoingKey{}).(*outgoing); ok {
		o.each(f)
	}
}

func (o *outgoing) each(f func(key, value string)) {
	if o.under != nil {
		o.under.each(f)
	}
	for k, values := range o.base {
		k = lower(k)
		for _, v := range values {
			f(k, v)
		}
	}
	for i := 0; i < len(o.kv); i += 2 {
		f(o.kv[i], o.kv[i+1])
	}
}
