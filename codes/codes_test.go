package codes

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestNamesAndNumbers(t *testing.T) {
	// The numbers are the protocol's: written out, so that nobody shifts them by an insertion.
	want := map[Code]string{
		0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED",
		5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED",
		9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED",
		13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS", 16: "UNAUTHENTICATED",
	}
	for c, name := range want {
		if c.String() != name {
			t.Errorf("Code(%d) = %q, want %q", uint32(c), c, name)
		}
		for _, text := range []string{name, fmt.Sprint(uint32(c))} {
			if got, err := Parse(text); err != nil || got != c {
				t.Errorf("Parse(%q) = %v, %v; want %v", text, got, err, c)
			}
		}
		if c.Canonical() != c || !c.Valid() {
			t.Errorf("%v is not its own canonical code", c)
		}
	}
	if len(want) != len(names) {
		t.Errorf("%d codes, want %d", len(names), len(want))
	}
	if Unauthenticated != 16 || NotFound != 5 {
		t.Errorf("UNAUTHENTICATED is %d and NOT_FOUND %d, want 16 and 5", Unauthenticated, NotFound)
	}
}

func TestUnknownNumbers(t *testing.T) {
	for _, c := range []Code{17, 1000, 1<<32 - 1} {
		if c.Valid() || c.Canonical() != Unknown {
			t.Errorf("%v: valid %v, canonical %v; want UNKNOWN", c, c.Valid(), c.Canonical())
		}
		if want := fmt.Sprintf("CODE(%d)", uint32(c)); c.String() != want {
			t.Errorf("String = %q, want %q", c.String(), want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, s := range []string{"", "not_found", "NotFound", "17", "-1", "5.0", "4294967301", " OK", "CODE(5)"} {
		if c, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", s, c)
		}
	}
	if c, err := Parse("CANCELED"); err != nil || c != Canceled {
		t.Errorf("Parse(CANCELED) = %v, %v; want the other spelling of CANCELLED", c, err)
	}
}

func TestJSON(t *testing.T) {
	type config struct {
		Codes []Code
		By    map[Code]int
	}
	in := `{"Codes":["UNAVAILABLE",14,"ABORTED","CANCELED","3"],"By":{"INTERNAL":1}}`
	var c config
	if err := json.Unmarshal([]byte(in), &c); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Codes":["UNAVAILABLE","UNAVAILABLE","ABORTED","CANCELLED","INVALID_ARGUMENT"],"By":{"INTERNAL":1}}`
	if string(out) != want {
		t.Errorf("round trip of %s\n got %s\nwant %s", in, out, want)
	}
	kept := NotFound
	if err := json.Unmarshal([]byte("null"), &kept); err != nil || kept != NotFound {
		t.Errorf("null: %v, %v; want no change", kept, err)
	}
	for _, bad := range []string{`"nope"`, `99`, `-1`, `true`, `5.5`, `{}`, `["OK"]`} {
		if err := json.Unmarshal([]byte(bad), &kept); err == nil || kept != NotFound {
			t.Errorf("%s: %v, %v; want an error and no change", bad, kept, err)
		}
	}
}

func TestFromHTTPStatus(t *testing.T) {
	// doc/http-grpc-status-mapping.md, whole, and some of "all others".
	want := map[int]Code{
		400: Internal, 401: Unauthenticated, 403: PermissionDenied, 404: Unimplemented,
		429: Unavailable, 502: Unavailable, 503: Unavailable, 504: Unavailable,
		200: Unknown, 204: Unknown, 302: Unknown, 405: Unknown, 415: Unknown, 500: Unknown, 501: Unknown, 0: Unknown, -1: Unknown,
	}
	for status, code := range want {
		if got := FromHTTPStatus(status); got != code {
			t.Errorf("HTTP %d: %v, want %v", status, got, code)
		}
	}
}

func TestFromHTTP2Error(t *testing.T) {
	want := map[uint32]Code{
		0x0: Internal, 0x1: Internal, 0x2: Internal, 0x3: Internal, 0x4: Internal, 0x5: Internal,
		0x6: Internal, 0x7: Unavailable, 0x8: Canceled, 0x9: Internal, 0xa: Internal,
		0xb: ResourceExhausted, 0xc: PermissionDenied, 0xd: Internal, 0xe: Internal, 1<<32 - 1: Internal,
	}
	for h2, code := range want {
		if got := FromHTTP2Error(h2); got != code {
			t.Errorf("HTTP/2 error %#x: %v, want %v", h2, got, code)
		}
	}
}
