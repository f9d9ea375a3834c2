package status

import (
	"reflect"

	"github.com/naru-rpc/naru/codes"
	"google.golang.org/protobuf/proto"
)

// foreign finds the status of an error that another gRPC stack made: grpc-go's errors have a method
// GRPCStatus that returns a type of theirs, with methods Code, Message and Proto. It is found by
// its shape, so that a handler may return the error of a call that it made with that stack, and
// nothing of it has to be linked. Of an error that wraps others, each is asked, as errors.As does.
// nil: there is none. It is slow, and for errors without a status of this package alone.
func foreign(err error) *Status {
	for err != nil {
		if s := shaped(err); s != nil {
			return s
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				if s := foreign(one); s != nil {
					return s
				}
			}
			return nil
		default:
			return nil
		}
	}
	return nil
}

// shaped is the status that err itself has, nil if none.
func shaped(err error) *Status {
	v := reflect.ValueOf(err)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	r, ok := result(v.MethodByName("GRPCStatus"))
	if !ok || r.Kind() != reflect.Pointer || r.IsNil() {
		return nil
	}
	code, ok := result(r.MethodByName("Code"))
	if !ok || !code.CanUint() {
		return nil
	}
	message, ok := result(r.MethodByName("Message"))
	if !ok || message.Kind() != reflect.String {
		return nil
	}
	c := codes.Code(code.Uint()).Canonical()
	if c == codes.OK {
		c = codes.Unknown // an error was returned
	}
	s := New(c, message.String())
	if p, ok := result(r.MethodByName("Proto")); ok {
		if m, ok := p.Interface().(proto.Message); ok {
			s.details = detailsOf(m)
		}
	}
	return s
}

// detailsOf are the details of a google.rpc.Status.
func detailsOf(m proto.Message) []detail {
	if m.ProtoReflect().Descriptor().FullName() != "google.rpc.Status" {
		return nil
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil
	}
	s, err := ParseWire(b)
	if err != nil {
		return nil
	}
	return s.details
}

// result calls a method without arguments that returns one value.
func result(method reflect.Value) (reflect.Value, bool) {
	if !method.IsValid() || method.Type().NumIn() != 0 || method.Type().NumOut() != 1 {
		return reflect.Value{}, false
	}
	return method.Call(nil)[0], true
}
