package header

import (
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// FuzzParse reads any field section as a request, a response and trailers, and checks what
// must hold of whatever passes.
func FuzzParse(f *testing.F) {
	for _, in := range [][]hpack.Field{
		request("te: trailers", "content-length: 5"), request("host: host:1"), response("a: b"),
		fields("grpc-status: 0", "grpc-message: ok "), fields(":method: CONNECT", ":authority: a:1"),
	} {
		var text []string
		for _, x := range in {
			text = append(text, x.Name, x.Value)
		}
		f.Add(strings.Join(text, "\x1e"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts := strings.Split(text, "\x1e") // never valid in a field, so nothing is lost
		var in []hpack.Field
		for i := 0; i+1 < len(parts); i += 2 {
			in = append(in, hpack.Field{Name: parts[i], Value: parts[i+1]})
		}
		var q Request
		if ParseRequest(in, &q) == nil {
			checkRegularFields(t, q.Fields)
			connect := q.Method == "CONNECT"
			if q.Method == "" || (q.Scheme == "") != connect || (q.Path == "") != connect || strings.ContainsAny(q.Path+q.Method+q.Scheme, " \t\r\n\x00") {
				t.Fatalf("%+q passed as %+v", text, q)
			}
		}
		var p Response
		if ParseResponse(in, &p) == nil {
			checkRegularFields(t, p.Fields)
			if p.Status < 100 || p.Status > 999 || p.Status == 101 || len(p.Fields) != len(in)-1 {
				t.Fatalf("%+q passed as %+v", text, p)
			}
		}
		if CheckTrailers(in) == nil {
			checkRegularFields(t, in)
		}
	})
}

func checkRegularFields(t *testing.T, in []hpack.Field) {
	t.Helper()
	for _, f := range in {
		if !ValidName(f.Name) || strings.ToLower(f.Name) != f.Name || f.Name[0] == ':' {
			t.Fatalf("name %q passed", f.Name)
		}
		if strings.ContainsAny(f.Value, "\r\n\x00\x7f") || strings.Trim(f.Value, " \t") != f.Value && f.Name != "grpc-message" {
			t.Fatalf("value %q of %s passed", f.Value, f.Name)
		}
		if f.Name == "connection" || f.Name == "te" && f.Value != "trailers" {
			t.Fatalf("%s: %s passed", f.Name, f.Value)
		}
	}
}
