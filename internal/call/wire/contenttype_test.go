package wire

import (
	"strings"
	"testing"
)

func TestParseContentType(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		ok       bool
	}{
		{"application/grpc", "", true},
		{"application/grpc+proto", "proto", true},
		{"application/grpc+json", "json", true},
		{"application/grpc+json; charset=utf-8", "json", true},
		{"application/grpc;charset=utf-8", "", true},
		{"application/grpc ; x", "", true},
		{"Application/GRPC+Proto", "proto", true},
		{"application/grpc+", "", false},
		{"application/grpc+;x", "", false},
		{"application/grpc-web", "", false},
		{"application/grpc-web+proto", "", false},
		{"application/grpcfoo", "", false},
		{"application/grp", "", false},
		{"application/json", "", false},
		{"", "", false},
	} {
		got, ok := ParseContentType(tt.in)
		if got != tt.want || ok != tt.ok {
			t.Errorf("ParseContentType(%q) = %q, %v; want %q, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func FuzzContentType(f *testing.F) {
	f.Add("application/grpc+proto")
	f.Add("application/grpc;a=b")
	f.Fuzz(func(t *testing.T, s string) {
		subtype, ok := ParseContentType(s)
		if !ok {
			if subtype != "" {
				t.Fatalf("%q is not gRPC's, but has subtype %q", s, subtype)
			}
			return
		}
		if strings.ContainsAny(subtype, "; \t") && !strings.Contains(strings.Trim(subtype, " \t"), " ") && !strings.Contains(subtype, "\t") {
			t.Fatalf("%q: subtype %q has parameters in it", s, subtype)
		}
		// What it says is stable: writing it out and reading it again gives the same.
		again, ok := ParseContentType(ContentType(subtype))
		if !ok || again != subtype {
			t.Fatalf("%q: subtype %q became %q, %v", s, subtype, again, ok)
		}
	})
}
