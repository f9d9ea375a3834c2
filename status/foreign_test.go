package status

import (
	"errors"
	"fmt"
	"testing"

	"github.com/naru-rpc/naru/codes"
)

// alien has the shape of another stack's status errors.
type alien struct{ s *alienStatus }

type (
	alienCode   uint32
	alienStatus struct {
		code    alienCode
		message string
	}
)

func (a alien) Error() string            { return "rpc error: " + a.s.message }
func (a alien) GRPCStatus() *alienStatus { return a.s }
func (s *alienStatus) Code() alienCode   { return s.code }
func (s *alienStatus) Message() string   { return s.message }

// odd are errors with methods of the name and another shape.
type (
	oddArgs   struct{ error }
	oddResult struct{ error }
	oddNil    struct{ error }
)

func (oddArgs) GRPCStatus(int) *alienStatus { return nil }
func (oddResult) GRPCStatus() int           { return 5 }
func (oddNil) GRPCStatus() *alienStatus     { return nil }

func TestStatusOfOtherStacks(t *testing.T) {
	plain := errors.New("plain")
	none := alien{&alienStatus{5, "no such thing"}}
	for _, tt := range []struct {
		name    string
		err     error
		code    codes.Code
		message string
		ok      bool
	}{
		{"itself", none, codes.NotFound, "no such thing", true},
		{"wrapped", fmt.Errorf("look: %w", none), codes.NotFound, "look: rpc error: no such thing", true},
		{"wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", none)), codes.NotFound, "a: b: rpc error: no such thing", true},
		{"joined", errors.Join(plain, none), codes.NotFound, "plain\nrpc error: no such thing", true},
		{"beside one of ours", errors.Join(none, Error(codes.Aborted, "ours")), codes.Aborted, "rpc error: no such thing\nABORTED: ours", true},
		{"OK", alien{&alienStatus{0, "fine"}}, codes.Unknown, "fine", true},
		{"code of tomorrow", alien{&alienStatus{99, "new"}}, codes.Unknown, "new", true},
		{"nil status", alien{}, codes.Unknown, "", false},
		{"an argument", oddArgs{plain}, codes.Unknown, "plain", false},
		{"another result", oddResult{plain}, codes.Unknown, "plain", false},
		{"nil result", oddNil{plain}, codes.Unknown, "plain", false},
	} {
		if tt.name == "nil status" {
			if s := shaped(tt.err); s != nil {
				t.Errorf("%s: %v", tt.name, s)
			}
			continue
		}
		s, ok := FromError(tt.err)
		if ok != tt.ok || s.Code() != tt.code || s.Message() != tt.message || Code(tt.err) != tt.code {
			t.Errorf("%s: %v, %t; Code %v", tt.name, s, ok, Code(tt.err))
		}
		if ok && !errors.Is(s.Err(), tt.err) && tt.name != "beside one of ours" {
			t.Errorf("%s: the error is not the cause", tt.name)
		}
	}
}
