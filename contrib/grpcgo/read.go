package grpcgo

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"
)

// grpc-go's options are opaque functions, and what they fill in is private. What can be done from
// outside is to let grpc-go apply them to a server or client of its own, which serves and connects
// to nothing, and to read the fields they have set (docs/decisions/0027-grpc-go-options.md). This
// file is the only one that does, and the only one with package unsafe: it reads, by name and with
// the type checked, and writes nothing.

// fields reads the private fields of a struct.
type fields struct {
	of       reflect.Value // addressable
	defaults reflect.Value // the same struct without options
	what     string        // the name of the struct, for errors
	seen     map[string]bool
	errs     []string
}

// fieldsOf returns the fields of the struct called name inside what p points to, and those of the
// one in q, which was made without options.
func fieldsOf(p, q any, name string) (*fields, error) {
	of, err := inner(p, name)
	if err != nil {
		return nil, err
	}
	defaults, err := inner(q, name)
	if err != nil {
		return nil, err
	}
	return &fields{of: of, defaults: defaults, what: fmt.Sprintf("%T.%s", p, name), seen: map[string]bool{}}, nil
}

func inner(p any, name string) (reflect.Value, error) {
	v := reflect.ValueOf(p).Elem().FieldByName(name)
	if v.Kind() != reflect.Struct {
		return v, fmt.Errorf("grpcgo: this version of google.golang.org/grpc has no struct %T.%s: its options cannot be read; use the version grpcgo requires", p, name)
	}
	return v, nil
}

// sub returns the fields of a struct inside, whose mistakes are f's.
func (f *fields) sub(name string) *fields {
	f.seen[name] = true
	s := &fields{of: f.of.FieldByName(name), defaults: f.defaults.FieldByName(name), what: f.what + "." + name, seen: map[string]bool{}}
	if s.of.Kind() != reflect.Struct {
		f.missing(name)
		return nil
	}
	return s
}

func (f *fields) missing(name string) {
	f.errs = append(f.errs, fmt.Sprintf("this version of google.golang.org/grpc has no field %s.%s of the type expected: its options cannot be read; use the version grpcgo requires", f.what, name))
}

// field returns the value of a field.
func field[T any](f *fields, name string) T {
	var zero T
	f.seen[name] = true
	v := f.of.FieldByName(name)
	if !v.IsValid() || v.Type() != reflect.TypeFor[T]() {
		f.missing(name)
		return zero
	}
	return *(*T)(unsafe.Pointer(v.UnsafeAddr()))
}

// opaque returns the value of a field whose type is private to grpc-go, nil if it is nil.
func (f *fields) opaque(name string) any {
	f.seen[name] = true
	v := f.of.FieldByName(name)
	if !v.IsValid() {
		f.missing(name)
		return nil
	}
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem().Interface()
}

// changed reports whether an option has set a field.
func (f *fields) changed(name string) bool {
	f.seen[name] = true
	v, w := f.of.FieldByName(name), f.defaults.FieldByName(name)
	if !v.IsValid() {
		f.missing(name)
		return false
	}
	return !same(v, w)
}

// same compares fields; functions are the same if both are nil.
func same(v, w reflect.Value) bool {
	switch v.Kind() {
	case reflect.Func, reflect.Map, reflect.Slice:
		return v.IsNil() && w.IsNil()
	case reflect.Interface:
		if v.IsNil() || w.IsNil() {
			return v.IsNil() == w.IsNil()
		}
		v, w = v.Elem(), w.Elem()
		if v.Type() != w.Type() {
			return false
		}
		if v.Kind() != reflect.Pointer {
			return v.Comparable() && w.Comparable() && v.Equal(w)
		}
		return v.Pointer() == w.Pointer()
	case reflect.Pointer:
		return v.Pointer() == w.Pointer()
	case reflect.Struct:
		for i := range v.NumField() {
			if !same(v.Field(i), w.Field(i)) {
				return false
			}
		}
		return true
	}
	return v.Equal(w)
}

// rest names the fields that options have set and this package does not read: options of a later
// version of grpc-go.
func (f *fields) rest() {
	for i := range f.of.NumField() {
		name := f.of.Type().Field(i).Name
		if !f.seen[name] && !same(f.of.Field(i), f.defaults.Field(i)) {
			f.errs = append(f.errs, fmt.Sprintf("an option sets %s.%s, which this version of grpcgo does not know", f.what, name))
		}
	}
}

func (f *fields) refuse(option, reason string) {
	f.errs = append(f.errs, option+": "+reason)
}

// error returns everything found as one error, nil for nothing.
func (f *fields) error(doing string) error {
	if len(f.errs) == 0 {
		return nil
	}
	return fmt.Errorf("grpcgo: %s: %s", doing, strings.Join(f.errs, "\n"))
}
