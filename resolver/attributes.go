package resolver

import "maps"

// Attributes are values attached to an endpoint or a state under typed keys. The zero value is
// empty. Immutable: [Key.With] returns a changed copy.
type Attributes struct {
	m map[any]any // *Key[T] -> T; written only while being copied
}

// Key names an attribute of type T. Two keys are the same only if they are the same pointer, so
// that packages cannot collide. Make them with [NewKey] in a package variable.
type Key[T any] struct{ name string }

// NewKey returns a new key. The name is for people.
func NewKey[T any](name string) *Key[T] { return &Key[T]{name} }

// String returns the name given to NewKey.
func (k *Key[T]) String() string { return k.name }

// With returns a copy of a that also holds v.
func (k *Key[T]) With(a Attributes, v T) Attributes {
	m := make(map[any]any, len(a.m)+1)
	maps.Copy(m, a.m)
	m[k] = v
	return Attributes{m}
}

// Get returns the value a holds under k.
func (k *Key[T]) Get(a Attributes) (v T, ok bool) {
	v, ok = a.m[k].(T)
	return v, ok
}
