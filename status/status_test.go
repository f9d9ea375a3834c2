package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestNilIsOK(t *testing.T) {
	var s *Status
	if s.Code() != codes.OK || s.Message() != "" || s.Err() != nil || s.Details() != nil || s.Local() != nil || s.HasDetails() || s.String() != "OK" {
		t.Errorf("the nil status is %v, %v, %v", s, s.Err(), s.Details())
	}
	if got := s.AppendWire([]byte("x")); string(got) != "x" {
		t.Errorf("the nil status on the wire is %q, want nothing added", got)
	}
	if got := s.WithMessage("done").String(); got != "OK: done" {
		t.Errorf("copy of nil with a message = %q", got)
	}
}

func TestOKIsNoError(t *testing.T) {
	if err := New(codes.OK, "fine").Err(); err != nil {
		t.Errorf("Err = %v, want nil for OK", err)
	}
	if err := Error(codes.OK, "fine"); err != nil {
		t.Errorf("Error = %v, want nil for OK", err)
	}
	if err := Errorf(codes.OK, "fine: %w", io.EOF); err != nil {
		t.Errorf("Errorf = %v, want nil for OK", err)
	}
	if _, err := New(codes.OK, "").WithDetails(wrapperspb.String("x")); err == nil {
		t.Error("details on OK: no error, want one since they would be lost")
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{Error(codes.NotFound, "no product 7"), "NOT_FOUND: no product 7"},
		{Error(codes.Internal, ""), "INTERNAL"},
		{Errorf(codes.Aborted, "try %d", 2), "ABORTED: try 2"},
		{New(99, "odd").Err(), "CODE(99): odd"},
		{fmt.Errorf("get: %w", Error(codes.NotFound, "x")), "get: NOT_FOUND: x"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("text %q, want %q", got, tt.want)
		}
	}
}

// shopError is a user's own error with a status.
type shopError struct{ s *Status }

func (e *shopError) Error() string       { return "shop closed" }
func (e *shopError) GRPCStatus() *Status { return e.s }

func TestFromError(t *testing.T) {
	notFound := Error(codes.NotFound, "no product")
	for _, tt := range []struct {
		name    string
		err     error
		code    codes.Code
		message string
		ok      bool
	}{
		{"nil", nil, codes.OK, "", true},
		{"own", notFound, codes.NotFound, "no product", true},
		{"wrapped", fmt.Errorf("get: %w", notFound), codes.NotFound, "get: NOT_FOUND: no product", true},
		{"joined", errors.Join(io.EOF, notFound), codes.NotFound, "EOF\nNOT_FOUND: no product", true},
		{"foreign", io.EOF, codes.Unknown, "EOF", false},
		{"carrier", &shopError{New(codes.Unavailable, "closed")}, codes.Unavailable, "closed", true},
		{"wrapped carrier", fmt.Errorf("buy: %w", &shopError{New(codes.Unavailable, "closed")}), codes.Unavailable, "buy: shop closed", true},
		{"carrier of OK", &shopError{New(codes.OK, "")}, codes.Unknown, "shop closed", true},
		{"carrier of nil", &shopError{}, codes.Unknown, "shop closed", true},
	} {
		s, ok := FromError(tt.err)
		if s.Code() != tt.code || s.Message() != tt.message || ok != tt.ok {
			t.Errorf("%s: %v %q, %v; want %v %q, %v", tt.name, s.Code(), s.Message(), ok, tt.code, tt.message, tt.ok)
		}
		if got := Code(tt.err); got != tt.code {
			t.Errorf("%s: Code = %v, want the same as FromError: %v", tt.name, got, tt.code)
		}
		if got := Convert(tt.err); got.Code() != tt.code {
			t.Errorf("%s: Convert = %v, want %v", tt.name, got, tt.code)
		}
		if tt.err != nil && tt.name != "own" && tt.name != "carrier" && !errors.Is(s.Err(), tt.err) {
			t.Errorf("%s: the status' error does not lead back to the error it was made of", tt.name)
		}
	}
}

func TestIs(t *testing.T) {
	a := Error(codes.NotFound, "x")
	withDetail, err := New(codes.NotFound, "x").WithDetails(wrapperspb.String("d"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		b    error
		want bool
	}{
		{"same text", Error(codes.NotFound, "x"), true},
		{"wrapped", fmt.Errorf("w: %w", Error(codes.NotFound, "x")), true},
		{"with a cause, which is local", New(codes.NotFound, "x").WithCause(io.EOF).Err(), true},
		{"other message", Error(codes.NotFound, "y"), false},
		{"other code", Error(codes.Internal, "x"), false},
		{"with a detail", withDetail.Err(), false},
		{"no status", io.EOF, false},
	} {
		if got := errors.Is(tt.b, a); got != tt.want {
			t.Errorf("%s: errors.Is = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestErrorfKeepsCauses(t *testing.T) {
	one := Errorf(codes.Internal, "read: %w", io.ErrUnexpectedEOF)
	if !errors.Is(one, io.ErrUnexpectedEOF) || Convert(one).Message() != "read: unexpected EOF" {
		t.Errorf("%v: want the cause found and its text in the message", one)
	}
	two := Errorf(codes.Internal, "%w and %w", io.EOF, context.Canceled)
	if !errors.Is(two, io.EOF) || !errors.Is(two, context.Canceled) {
		t.Errorf("%v: want both causes found", two)
	}
	if errors.Unwrap(Errorf(codes.Internal, "plain")) != nil {
		t.Error("a message without %w has a cause")
	}
	// The status the error wraps is not the one the handler chose.
	if got := Code(Errorf(codes.Aborted, "%w", Error(codes.NotFound, "x"))); got != codes.Aborted {
		t.Errorf("code = %v, want the outer ABORTED", got)
	}
}

func TestFromContextError(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{fmt.Errorf("pick: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{io.EOF, codes.Unknown},
	} {
		s := FromContextError(tt.err)
		if s.Code() != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, s.Code(), tt.want)
		}
		if tt.err != nil && !errors.Is(s.Err(), tt.err) {
			t.Errorf("%v: errors.Is does not find it in %v", tt.err, s.Err())
		}
	}
}

func TestDetails(t *testing.T) {
	unknown := &anypb.Any{TypeUrl: "type.googleapis.com/shop.NotLinked", Value: []byte{8, 1}}
	broken := &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Duration", Value: []byte{0xff}}
	first, err := New(codes.InvalidArgument, "bad").WithDetails(durationpb.New(7), unknown)
	if err != nil {
		t.Fatal(err)
	}
	s, err := first.WithDetails(wrapperspb.String("field id"), broken)
	if err != nil {
		t.Fatal(err)
	}
	want := []proto.Message{durationpb.New(7), unknown, wrapperspb.String("field id"), broken}
	if diff := cmp.Diff(want, s.Details(), protocmp.Transform()); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
	again := New(codes.InvalidArgument, "bad")
	for _, raw := range s.RawDetails() {
		if again, err = again.WithDetails(raw); err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(again.Err(), s.Err()) {
		t.Errorf("passed on raw: %v, want %v", again.Details(), s.Details())
	}
	if len(first.Details()) != 2 {
		t.Errorf("the status WithDetails was called on changed: %v", first.Details())
	}
	if d, ok := Detail[*wrapperspb.StringValue](fmt.Errorf("w: %w", s.Err())); !ok || d.Value != "field id" {
		t.Errorf("Detail = %v, %v; want the string", d, ok)
	}
	if d, ok := Detail[*wrapperspb.BoolValue](s.Err()); ok {
		t.Errorf("Detail = %v of a type that is not there", d)
	}
	if _, err := s.WithDetails(nil); err == nil {
		t.Error("a nil detail: no error")
	}
	if _, err := s.WithDetails(wrapperspb.String("\xff")); err == nil {
		t.Error("a detail that cannot be marshalled: no error")
	}
}

func TestDetailsBelongToTheCaller(t *testing.T) {
	given := wrapperspb.String("as given")
	s, err := New(codes.Internal, "").WithDetails(given)
	if err != nil {
		t.Fatal(err)
	}
	given.Value = "changed later"
	got := s.Details()[0].(*wrapperspb.StringValue)
	if got.Value != "as given" {
		t.Fatalf("detail = %q, want what it was when added", got.Value)
	}
	got.Value = "changed by a reader"
	if again := s.Details()[0].(*wrapperspb.StringValue).Value; again != "as given" {
		t.Errorf("detail = %q after a reader changed its own", again)
	}
}

type attempts struct{ n int }

func TestLocalStaysHere(t *testing.T) {
	s := New(codes.Unavailable, "all backends down").WithLocal(attempts{3}).WithCause(io.ErrUnexpectedEOF)
	err := fmt.Errorf("call: %w", s.Err())
	if a, ok := Local[attempts](err); !ok || a.n != 3 {
		t.Errorf("Local = %v, %v; want the 3 attempts", a, ok)
	}
	if _, ok := Local[string](err); ok {
		t.Error("Local found a type that is not there")
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is not found")
	}
	plain := New(codes.Unavailable, "all backends down")
	if got, want := s.AppendWire(nil), plain.AppendWire(nil); string(got) != string(want) {
		t.Errorf("wire form %q, want %q: nothing of what is local", got, want)
	}
	if s.HasDetails() {
		t.Error("local values count as details")
	}
	more := s.WithLocal("more")
	if len(s.Local()) != 1 || len(more.Local()) != 2 {
		t.Errorf("local values %v and %v, want 1 and 2", s.Local(), more.Local())
	}
	if c := s.WithCode(codes.Internal); c.Code() != codes.Internal || s.Code() != codes.Unavailable {
		t.Errorf("WithCode: %v from %v", c, s)
	}
}

func TestErrAllocatesNothing(t *testing.T) {
	s := New(codes.NotFound, "x")
	var err error
	if n := testing.AllocsPerRun(100, func() { err = s.Err() }); n != 0 {
		t.Errorf("Err: %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = Code(err); _, _ = FromError(err) }); n != 0 {
		t.Errorf("Code and FromError: %v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() { err = Error(codes.NotFound, "x") }); n > 1 {
		t.Errorf("Error: %v allocations, want 1", n)
	}
}

func ExampleDetail() {
	s, _ := New(codes.ResourceExhausted, "too fast").WithDetails(durationpb.New(2e9))
	err := s.Err() // what a call returns

	if wait, ok := Detail[*durationpb.Duration](err); ok {
		fmt.Println(Code(err), "wait", wait.AsDuration())
	}
	// Output: RESOURCE_EXHAUSTED wait 2s
}
