package status

import (
	"errors"
	"fmt"
	"slices"

	"github.com/naru-rpc/naru/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// A Status is the outcome of a call. It is immutable and safe for concurrent use; the
// With methods return copies. The nil *Status is OK without a message.
type Status struct {
	code    codes.Code
	message string
	details []detail // in wire form
	local   []any
	cause   error // nil: none
}

// detail is a google.protobuf.Any.
type detail struct {
	typeURL string
	value   []byte
}

// New returns a status. A code that is not one of the 17 is kept as given here, and becomes
// Unknown when it has crossed the wire.
func New(c codes.Code, message string) *Status { return &Status{code: c, message: message} }

// Newf is New with a message made by fmt.Sprintf.
func Newf(c codes.Code, format string, args ...any) *Status {
	return New(c, fmt.Sprintf(format, args...))
}

// Code returns the code.
func (s *Status) Code() codes.Code {
	if s == nil {
		return codes.OK
	}
	return s.code
}

// Message returns the message, which is meant for developers, not for end users.
func (s *Status) Message() string {
	if s == nil {
		return ""
	}
	return s.message
}

// String returns the code's name and the message: "NOT_FOUND: no product 7".
func (s *Status) String() string {
	if s.Message() == "" {
		return s.Code().String()
	}
	return s.code.String() + ": " + s.message
}

// Err returns the status as an error, or nil if its code is OK. It allocates nothing.
func (s *Status) Err() error {
	if s.Code() == codes.OK {
		return nil
	}
	return (*statusError)(s)
}

// WithDetails returns a copy with details added after those it has. They travel to the
// caller in the trailer, so that a few hundred bytes are a good measure; peers limit header
// sections, often to 8 KiB. It fails, and returns nil, on the first detail that cannot be
// marshalled, and for the code OK, with which no details travel. The messages may be changed
// afterwards.
func (s *Status) WithDetails(details ...proto.Message) (*Status, error) {
	if s.Code() == codes.OK {
		return nil, errors.New("status: add details: a status with code OK has none")
	}
	out := *s
	out.details = slices.Clip(out.details)
	for i, m := range details {
		if m == nil {
			return nil, fmt.Errorf("status: add details: number %d is nil", i)
		}
		// An Any is a detail already packed, possibly of a type that is not linked here.
		packed, ok := m.(*anypb.Any)
		if !ok {
			var err error
			if packed, err = anypb.New(m); err != nil {
				return nil, fmt.Errorf("status: add details: marshal %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
			}
		}
		out.details = append(out.details, detail{packed.GetTypeUrl(), slices.Clone(packed.GetValue())})
	}
	return &out, nil
}

// Details unpacks the details, anew with each call: the messages belong to the caller. A
// detail of a type that is not linked into the program, or whose bytes do not parse, is
// returned as the *anypb.Any it travelled in.
func (s *Status) Details() []proto.Message {
	if !s.HasDetails() {
		return nil
	}
	out := make([]proto.Message, len(s.details))
	for i, packed := range s.RawDetails() {
		if m, err := packed.UnmarshalNew(); err == nil {
			out[i] = m
		} else {
			out[i] = packed
		}
	}
	return out
}

// RawDetails returns the details as they travel, for programs that pass them on. The messages
// belong to the caller; WithDetails takes them without packing them again.
func (s *Status) RawDetails() []*anypb.Any {
	if !s.HasDetails() {
		return nil
	}
	out := make([]*anypb.Any, len(s.details))
	for i, d := range s.details {
		out[i] = &anypb.Any{TypeUrl: d.typeURL, Value: slices.Clone(d.value)}
	}
	return out
}

// HasDetails reports whether there are details, at no cost.
func (s *Status) HasDetails() bool { return s != nil && len(s.details) > 0 }

// WithLocal returns a copy with values added that stay in this process: they are not sent
// when the status is, and are not seen by [errors.Is]. [Local] finds them again by type.
func (s *Status) WithLocal(values ...any) *Status {
	out := s.copy()
	out.local = append(slices.Clip(out.local), values...)
	return out
}

// Local returns the values added by WithLocal, in order. The slice must not be changed.
func (s *Status) Local() []any {
	if s == nil {
		return nil
	}
	return s.local
}

// WithCause returns a copy whose error unwraps to cause, for errors.Is and errors.As in this
// process. The message is not changed and the cause is not sent. nil removes the cause.
func (s *Status) WithCause(cause error) *Status {
	out := s.copy()
	out.cause = cause
	return out
}

// WithMessage returns a copy with another message.
func (s *Status) WithMessage(message string) *Status {
	out := s.copy()
	out.message = message
	return out
}

// WithCode returns a copy with another code. Details stay; they are not sent with OK.
func (s *Status) WithCode(c codes.Code) *Status {
	out := s.copy()
	out.code = c
	return out
}

func (s *Status) copy() *Status {
	if s == nil {
		return new(Status)
	}
	out := *s
	return &out
}

// equal compares what crosses the wire.
func (s *Status) equal(t *Status) bool {
	return s.Code() == t.Code() && s.Message() == t.Message() &&
		slices.EqualFunc(s.wireDetails(), t.wireDetails(), func(a, b detail) bool {
			return a.typeURL == b.typeURL && string(a.value) == string(b.value)
		})
}

func (s *Status) wireDetails() []detail {
	if s == nil {
		return nil
	}
	return s.details
}
