package nethttp

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/transport"
)

func fieldsOf(h *transport.RequestHead) string {
	var all []string
	for _, f := range h.Fields {
		all = append(all, f.Name+"="+f.Value)
	}
	return strings.Join(all, ",")
}

func TestRequestHead(t *testing.T) {
	u, err := url.ParseRequestURI("/a%2Fb/c?q=1")
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: "POST", Host: "h.example", URL: u, Header: http.Header{
		"X-B": {"2", "1"}, "Content-Type": {"application/proto"}, "Connection": {"close, X-Hop", "x-other"}, "X-Hop": {"1"}, "X-Other": {"1"},
		"Keep-Alive": {"1"}, "Transfer-Encoding": {"chunked"}, "Upgrade": {"h2c"}, "Trailer": {"x"}, "Proxy-Connection": {"x"}, "Te": {"trailers"},
	}}
	h := requestHead(r, 0, 0)
	if want := "content-type=application/proto,te=trailers,x-b=2,x-b=1"; fieldsOf(h) != want {
		t.Errorf("fields %s, want %s", fieldsOf(h), want)
	}
	if h.Method != "POST" || h.Path != "/a%2Fb/c?q=1" || h.Authority != "h.example" || h.Scheme != "http" || h.Oversize != nil {
		t.Errorf("%+v", h)
	}
}

// What exceeds a limit is named, and what fits is kept: the content type first.
func TestOversizeHead(t *testing.T) {
	header := http.Header{"A": {strings.Repeat("x", 5000)}, "Content-Type": {"application/proto"}, "Z": {"z"}}
	for _, tt := range []struct {
		size, fields uint32
		over         bool
		kept         string
	}{
		{0, 0, false, "a,content-type,z"},
		{6000, 7, false, "a,content-type,z"},
		{3000, 0, true, "content-type,z"},
		{0, 6, true, "content-type,a,z"},
		{0, 2, true, "content-type,a"},
		{0, 1, true, "content-type"},
		{10, 0, true, ""},
	} {
		h := requestHead(&http.Request{Method: "POST", URL: &url.URL{Path: "/"}, Header: header.Clone()}, tt.size, tt.fields)
		var kept []string
		for _, f := range h.Fields {
			kept = append(kept, f.Name)
		}
		if got := strings.Join(kept, ","); (h.Oversize != nil) != tt.over || got != tt.kept {
			t.Errorf("limits %d, %d: oversize %v, kept %s; want %v, %s", tt.size, tt.fields, h.Oversize, got, tt.over, tt.kept)
		}
	}
}

// FuzzRequestHead: what is kept of any header keeps to the limits, and nothing about the connection
// is.
func FuzzRequestHead(f *testing.F) {
	f.Add("Connection", "X-A", "X-A", "1", uint32(100), uint32(3))
	f.Add("Content-Type", "application/grpc", "Te", "trailers", uint32(0), uint32(0))
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 string, size, fields uint32) {
		r := &http.Request{Method: "POST", URL: &url.URL{Path: "/x"}, Header: http.Header{}}
		r.Header.Add(k1, v1)
		r.Header.Add(k2, v2)
		h := requestHead(r, size, fields)
		if h.Oversize == nil && (size > 0 && listSize(h) > uint64(size) || fields > 0 && uint64(len(h.Fields)+4) > uint64(fields)) {
			t.Fatalf("%d bytes in %d fields, limits %d, %d", listSize(h), len(h.Fields), size, fields)
		}
		sum := 0
		for _, f := range h.Fields {
			sum += len(f.Name) + len(f.Value) + 32
			switch f.Name {
			case "connection", "transfer-encoding", "upgrade", "keep-alive":
				t.Fatalf("%s is passed on", f.Name)
			}
		}
		if h.Oversize != nil && (size > 0 && sum > int(size) || fields > 0 && len(h.Fields) > int(fields)) {
			t.Fatalf("%d bytes in %d fields are kept, limits %d, %d", sum, len(h.Fields), size, fields)
		}
	})
}
