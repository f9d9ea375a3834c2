package header

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// fields makes a section of "name: value" lines.
func fields(lines ...string) []hpack.Field {
	var out []hpack.Field
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		out = append(out, hpack.Field{Name: name, Value: value})
	}
	return out
}

// request is a good request with lines after it.
func request(lines ...string) []hpack.Field {
	return fields(append([]string{":method: POST", ":scheme: http", ":path: /s/m", ":authority: host:1"}, lines...)...)
}

// requestBut is a good request, one pseudo-header field of which is dropped or has another value.
func requestBut(name string, value ...string) []hpack.Field {
	var out []hpack.Field
	for _, f := range request() {
		if f.Name != name {
			out = append(out, f)
		} else if len(value) > 0 {
			out = append(out, hpack.Field{Name: name, Value: value[0]})
		}
	}
	return out
}

func response(lines ...string) []hpack.Field {
	return fields(append([]string{":status: 200"}, lines...)...)
}

type malformed struct {
	rule   string
	fields []hpack.Field
	want   rule
}

// regularRules hold for the regular fields of requests, responses and trailers alike.
var regularRules = []struct {
	rule, name, value string
	want              rule
}{
	{"8.2.1 empty name", "", "v", ruleNameEmpty},
	{"8.2.1 upper case", "Te", "trailers", ruleNameUpper},
	{"8.2.1 upper case at the end", "content-typE", "x", ruleNameUpper},
	{"8.2.1 space in a name", "a b", "v", ruleNameChar},
	{"8.2.1 colon in a name", "a:b", "v", ruleNameChar},
	{"8.2.1 NUL in a name", "a\x00", "v", ruleNameChar},
	{"8.2.1 LF in a name", "a\nb", "v", ruleNameChar},
	{"8.2.1 DEL in a name", "a\x7f", "v", ruleNameChar},
	{"8.2.1 0x80 in a name", "a\x80", "v", ruleNameChar},
	{"9110 5.6.2 no token", "a(b)", "v", ruleNameChar},
	{"8.2.1 NUL in a value", "a", "v\x00v", ruleValueChar},
	{"8.2.1 CR in a value", "a", "v\rv", ruleValueChar},
	{"8.2.1 LF in a value", "a", "v\nset-cookie: x", ruleValueChar},
	{"8.2.1 LF at the end", "a", "v\n", ruleValueChar},
	{"8.2.1 LF beyond the eighth byte", "a", "12345678\nx", ruleValueChar},
	{"9110 5.5 control character", "a", "12345\x01678", ruleValueChar},
	{"9110 5.5 DEL", "a", "12345678\x7f2345678", ruleValueChar},
	{"8.2.2 connection", "connection", "keep-alive", ruleConnection},
	{"8.2.2 proxy-connection", "proxy-connection", "close", ruleConnection},
	{"8.2.2 keep-alive", "keep-alive", "5", ruleConnection},
	{"8.2.2 transfer-encoding", "transfer-encoding", "chunked", ruleConnection},
	{"8.2.2 upgrade", "upgrade", "h2c", ruleConnection},
	{"8.2.2 te", "te", "gzip", ruleTE},
	{"8.2.2 te with more", "te", "trailers, deflate", ruleTE},
	{"8.2.2 te empty", "te", "", ruleTE},
	{"9110 8.6 content-length empty", "content-length", "", ruleLengthValue},
	{"9110 8.6 content-length signed", "content-length", "-1", ruleLengthValue},
	{"9110 8.6 content-length plus", "content-length", "+1", ruleLengthValue},
	{"9110 8.6 content-length list", "content-length", "5, 5", ruleLengthValue},
	{"9110 8.6 content-length too large", "content-length", "9223372036854775808", ruleLengthValue},
}

func TestRFC9113_8_2_Fields(t *testing.T) {
	for _, tt := range regularRules {
		bad := hpack.Field{Name: tt.name, Value: tt.value}
		check := func(what string, err *Error) {
			t.Helper()
			if err == nil || err.Token != tt.want.token || err.Name != tt.name {
				t.Errorf("§%s in a %s: %+v, want %s on %q", tt.rule, what, err, tt.want.token, tt.name)
			}
		}
		check("request", ParseRequest(append(request("a: b"), bad), new(Request)))
		check("response", ParseResponse(append(response("a: b"), bad), new(Response)))
		check("trailer section", CheckTrailers(append(fields("a: b"), bad)))
	}
}

func TestRFC9113_8_3_1_Requests(t *testing.T) {
	for _, tt := range []malformed{
		{"8.3 pseudo after regular", request("a: b", ":path: /"), rulePseudoLate},
		{"8.3 unknown pseudo after regular", request("a: b", ":x: y"), rulePseudoLate},
		{"8.3 unknown pseudo", append(fields(":x: y"), request()...), rulePseudoUnknown},
		{"8.3 response pseudo", append(request(), fields(":status: 200")...), rulePseudoUnknown},
		{"RFC 8441 is not on offer", append(request(), fields(":protocol: websocket")...), rulePseudoUnknown},
		{"8.3 name of a colon", append(fields(":: y"), request()...), rulePseudoUnknown},
		{"8.3 upper case pseudo", append(fields(":Path: /"), request()...), rulePseudoUnknown},
		{"8.3 two methods", append(fields(":method: POST"), request()...), rulePseudoTwice},
		{"8.3 two schemes", append(fields(":scheme: http"), request()...), rulePseudoTwice},
		{"8.3 two paths", append(fields(":path: /"), request()...), rulePseudoTwice},
		{"8.3 two authorities", append(fields(":authority: a"), request()...), rulePseudoTwice},
		{"8.3 two empty authorities", append(fields(":authority: "), requestBut(":authority", "")...), rulePseudoTwice},
		{"8.3.1 nothing", nil, ruleMethodMissing},
		{"8.3.1 only a regular field", fields("a: b"), ruleMethodMissing},
		{"8.3.1 method missing", requestBut(":method"), ruleMethodMissing},
		{"8.3.1 method empty", requestBut(":method", ""), ruleMethodValue},
		{"8.3.1 method no token", requestBut(":method", "PO ST"), ruleMethodValue},
		{"8.3.1 scheme missing", requestBut(":scheme"), ruleSchemeMissing},
		{"8.3.1 scheme empty", requestBut(":scheme", ""), ruleSchemeValue},
		{"8.3.1 scheme with a colon", requestBut(":scheme", "http:"), ruleSchemeValue},
		{"8.3.1 scheme of a digit", requestBut(":scheme", "1http"), ruleSchemeValue},
		{"8.3.1 path missing", requestBut(":path"), rulePathMissing},
		{"8.3.1 path empty", requestBut(":path", ""), rulePathEmpty},
		{"8.3.1 space in path", requestBut(":path", "/a b"), rulePathValue},
		{"8.2.1 LF in path", requestBut(":path", "/a\nb"), ruleValueChar},
		{"8.2.1 NUL in authority", requestBut(":authority", "a\x00"), ruleValueChar},
		{"8.2.1 space before authority", requestBut(":authority", " a"), ruleValueSpace},
		{"8.3.1 host differs", request("host: other"), ruleHostDiffers},
		{"9112 3.2 two hosts", request("host: host:1", "host: host:1"), ruleHostTwice},
		{"9110 8.6 lengths differ", request("content-length: 1", "content-length: 2"), ruleLengthDiffers},
		{"8.5 CONNECT with path", fields(":method: CONNECT", ":authority: a:1", ":path: /"), ruleConnectPath},
		{"8.5 CONNECT with scheme", fields(":method: CONNECT", ":authority: a:1", ":scheme: http"), ruleConnectPath},
		{"8.5 CONNECT without authority", fields(":method: CONNECT"), ruleConnectAuth},
	} {
		if err := ParseRequest(tt.fields, new(Request)); err == nil || err.Token != tt.want.token {
			t.Errorf("§%s: %+v, want %s", tt.rule, err, tt.want.token)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, tt := range []struct {
		why    string
		fields []hpack.Field
		want   Request // Fields: how many is checked below
		n      int
	}{
		{"plain", request(), Request{Method: "POST", Scheme: "http", Authority: "host:1", Path: "/s/m", ContentLength: NoLength}, 0},
		{"as gRPC sends it", request("content-type: application/grpc", "te: trailers", "x-bin: AAA="), Request{Method: "POST", Scheme: "http", Authority: "host:1", Path: "/s/m", ContentLength: NoLength}, 3},
		{"host in place of :authority", append(requestBut(":authority"), fields("host: h")...), Request{Method: "POST", Scheme: "http", Authority: "h", Path: "/s/m", ContentLength: NoLength}, 1},
		{"host in place of an empty :authority", append(requestBut(":authority", ""), fields("host: h")...), Request{Method: "POST", Scheme: "http", Authority: "h", Path: "/s/m", ContentLength: NoLength}, 1},
		{"host that agrees but for case", request("host: HOST:1"), Request{Method: "POST", Scheme: "http", Authority: "host:1", Path: "/s/m", ContentLength: NoLength}, 1},
		{"neither", requestBut(":authority"), Request{Method: "POST", Scheme: "http", Path: "/s/m", ContentLength: NoLength}, 0},
		{"asterisk", fields(":method: OPTIONS", ":scheme: https", ":path: *"), Request{Method: "OPTIONS", Scheme: "https", Path: "*", ContentLength: NoLength}, 0},
		{"odd scheme, obs-text in path", fields(":method: GET", ":scheme: Coap+x", ":path: /\xc3\xa9"), Request{Method: "GET", Scheme: "Coap+x", Path: "/\xc3\xa9", ContentLength: NoLength}, 0},
		{"CONNECT", fields(":method: CONNECT", ":authority: a:1"), Request{Method: "CONNECT", Authority: "a:1", ContentLength: NoLength}, 0},
		{"content-length", request("content-length: 9223372036854775807"), Request{Method: "POST", Scheme: "http", Authority: "host:1", Path: "/s/m", ContentLength: 1<<63 - 1}, 1},
		{"content-length twice", request("content-length: 07", "content-length: 7"), Request{Method: "POST", Scheme: "http", Authority: "host:1", Path: "/s/m", ContentLength: 7}, 2},
	} {
		got := Request{Fields: fields("left: over"), ContentLength: 99}
		if err := ParseRequest(tt.fields, &got); err != nil {
			t.Errorf("%s: %v", tt.why, err)
			continue
		}
		if tt.n > 0 && &got.Fields[0] != &tt.fields[len(tt.fields)-tt.n] {
			t.Errorf("%s: Fields is not a part of the input", tt.why)
		}
		if len(got.Fields) != tt.n {
			t.Errorf("%s: %d regular fields, want %d", tt.why, len(got.Fields), tt.n)
		}
		got.Fields = nil
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.why, diff)
		}
	}
}

func TestFieldsThatAreFine(t *testing.T) {
	for _, f := range []hpack.Field{
		{Name: "a", Value: ""},
		{Name: "!#$%&'*+-.^_`|~09az", Value: "v"},
		{Name: "a", Value: "inner space\tand tab"},
		{Name: "a", Value: "\xff\x80 obs-text \xe2\x98\xba"},
		{Name: "te", Value: "trailers"},
		{Name: "grpc-message", Value: " text that ends with a space "},
		{Name: "content-length", Value: "0"},
	} {
		if err := ParseRequest(append(request(), f), new(Request)); err != nil {
			t.Errorf("%q: %q: %v", f.Name, f.Value, err)
		}
		if err := CheckTrailers([]hpack.Field{f}); err != nil {
			t.Errorf("%q: %q in trailers: %v", f.Name, f.Value, err)
		}
	}
	if err := CheckTrailers(nil); err != nil {
		t.Errorf("empty trailer section: %v", err)
	}
}

func TestRFC9113_8_3_2_Responses(t *testing.T) {
	for _, tt := range []malformed{
		{"8.3.2 nothing", nil, ruleStatusMissing},
		{"8.3.2 no status", fields("a: b"), ruleStatusMissing},
		{"8.3.2 status after regular", fields("a: b", ":status: 200"), ruleStatusMissing},
		{"8.3 pseudo after regular", response("a: b", ":status: 200"), rulePseudoLate},
		{"8.3 two statuses", response(":status: 200"), rulePseudoTwice},
		{"8.3 request pseudo", response(":path: /"), rulePseudoUnknown},
		{"8.3 request pseudo first", fields(":method: GET", ":status: 200"), rulePseudoUnknown},
		{"9110 15 empty", fields(":status: "), ruleStatusValue},
		{"9110 15 two digits", fields(":status: 20"), ruleStatusValue},
		{"9110 15 four digits", fields(":status: 2000"), ruleStatusValue},
		{"9110 15 no number", fields(":status: 2xx"), ruleStatusValue},
		{"9110 15 below 100", fields(":status: 099"), ruleStatusValue},
		{"8.6 switching protocols", fields(":status: 101"), ruleStatusSwitch},
		{"9110 8.6 lengths differ", response("content-length: 1", "content-length: 2"), ruleLengthDiffers},
	} {
		if err := ParseResponse(tt.fields, new(Response)); err == nil || err.Token != tt.want.token {
			t.Errorf("§%s: %+v, want %s", tt.rule, err, tt.want.token)
		}
	}
	for value, want := range map[string]int{"200": 200, "100": 100, "404": 404, "999": 999} {
		in := fields(":status: "+value, "a: b", "content-length: 3")
		var got Response
		err := ParseResponse(in, &got)
		if err != nil || got.Status != want || len(got.Fields) != 2 || &got.Fields[0] != &in[1] || got.ContentLength != 3 {
			t.Errorf("status %s: %+v, %v", value, got, err)
		}
	}
}

func TestRFC9113_8_1_TrailersHaveNoPseudoHeaders(t *testing.T) {
	for _, in := range [][]hpack.Field{fields(":status: 200"), fields("grpc-status: 0", ":path: /")} {
		if err := CheckTrailers(in); err == nil || err.Token != rulePseudoTrailer.token {
			t.Errorf("%v: %+v, want %s", in, err, rulePseudoTrailer.token)
		}
	}
}

func TestError_Text(t *testing.T) {
	err := CheckTrailers([]hpack.Field{{Name: "bad\n" + strings.Repeat("x", 100)}})
	want := `malformed header section: byte not allowed in a field name: "bad\n` + strings.Repeat("x", 60) + `"`
	if err.Error() != want {
		t.Errorf("Error() = %s, want %s", err, want)
	}
	want = "malformed header section: request without :method"
	if err := ParseRequest(nil, new(Request)); err.Error() != want {
		t.Errorf("Error() = %s, want %s", err, want)
	}
}

func TestAllocs(t *testing.T) {
	req, resp, trailers := benchRequest, response("content-type: application/grpc"), fields("grpc-status: 0")
	var q Request
	var p Response
	n := testing.AllocsPerRun(100, func() {
		if ParseRequest(req, &q) != nil || ParseResponse(resp, &p) != nil || CheckTrailers(trailers) != nil {
			panic("BUG: good section refused")
		}
	})
	if n != 0 {
		t.Errorf("checking good sections allocates %v times, want 0", n)
	}
}

var benchRequest = []hpack.Field{
	{Name: ":method", Value: "POST"},
	{Name: ":scheme", Value: "http"},
	{Name: ":path", Value: "/ecommerce.OrderManagement/searchOrders"},
	{Name: ":authority", Value: "orders.example.internal:50051"},
	{Name: "content-type", Value: "application/grpc"},
	{Name: "user-agent", Value: "grpc-go-naru/0.1.0"},
	{Name: "te", Value: "trailers"},
	{Name: "grpc-timeout", Value: "999963u"},
}

func BenchmarkParseRequest(b *testing.B) {
	var q Request
	b.ReportAllocs()
	for b.Loop() {
		if ParseRequest(benchRequest, &q) != nil {
			b.Fatal("refused")
		}
	}
}

// PROTOCOL-HTTP2.md lets white space around a value be stripped, where RFC 9113 §8.2.1 calls it
// malformed.
func TestSpaceAroundValuesIsStripped(t *testing.T) {
	for _, value := range []string{" v", "v ", "\tv", "v\t", " \t v\t "} {
		fields := []hpack.Field{{Name: "a", Value: value}, {Name: "grpc-message", Value: " kept "}}
		if err := CheckTrailers(fields); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		if fields[0].Value != "v" || fields[1].Value != " kept " {
			t.Errorf("%q became %+v", value, fields)
		}
	}
}
