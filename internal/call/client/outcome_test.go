package client

import (
	"strings"
	"testing"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/transport"
)

// A trailer section above the client's limit loses metadata, so that it is never OK; an error keeps
// its code.
func TestTrailersOverTheLimit(t *testing.T) {
	over := &transport.Error{Reason: "header list of 20000 bytes, the limit is 16384 bytes (Limits.MaxHeaderListSize)"}
	for _, tt := range []struct {
		fields []string
		code   codes.Code
		text   string
	}{
		{[]string{wire.FieldStatus, "0"}, codes.ResourceExhausted, ""},
		{[]string{"a", "b"}, codes.ResourceExhausted, ""},
		{[]string{wire.FieldStatus, "5", wire.FieldMessage, "none%21"}, codes.NotFound, "none! ["},
	} {
		for _, only := range []bool{false, true} {
			a := new(attempt)
			a.reset(wire.Limit{Bytes: -1})
			head := &transport.ResponseHead{Status: 200, Fields: rawFields(grpcHead...)}
			if only {
				head.Fields, head.Oversize = append(head.Fields, rawFields(tt.fields...)...), over
			}
			a.Head(head, only)
			if !only {
				a.TrailersOver(rawFields(tt.fields...), over)
			}
			if a.problem != nil && tt.fields[0] == wire.FieldStatus {
				t.Errorf("%v, trailers only: %t: a stream would end with %v", tt.fields, only, a.problem.Status())
			}
			s := a.outcome("")
			if s.Code() != tt.code || !strings.Contains(s.Message(), "Limits.MaxHeaderListSize") || !strings.HasPrefix(s.Message(), tt.text) {
				if only && tt.fields[0] == "a" {
					continue // a response without a status, of one section: what it is, its head says
				}
				t.Errorf("%v, trailers only: %t: %v, want %v", tt.fields, only, s, tt.code)
			}
		}
	}
}
