package tour

import (
	"strings"
	"testing"

	"github.com/naru-rpc/naru/cmd/naru/internal/demo/wiretap"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

func headers(d wiretap.Direction, stream uint32, flags frame.Flags, size int, fields ...string) wiretap.Event {
	e := wiretap.Event{Direction: d, Size: size, Header: frame.Header{Type: frame.TypeHeaders, Flags: flags, StreamID: stream}}
	for i := 0; i < len(fields); i += 2 {
		e.Fields = append(e.Fields, hpack.Field{Name: fields[i], Value: fields[i+1]})
	}
	return e
}

func TestWireView(t *testing.T) {
	var out strings.Builder
	v := newWireView(&printer{out: &out})
	v.show([]wiretap.Event{
		{Text: "connection preface", Size: 24},
		{Header: frame.Header{Type: frame.TypeSettings}, Size: 15},
		headers(wiretap.ToServer, 1, frame.FlagEndHeaders, 100, ":path", "/a/b", "te", "trailers", "grpc-encoding", "gzip"),
		{Header: frame.Header{Type: frame.TypeData, StreamID: 1, Flags: frame.FlagEndStream}, Size: 1234,
			Messages: []wiretap.Message{{Size: 1200, Compressed: true}, {Size: 3}}},
		{Header: frame.Header{Type: frame.TypeWindowUpdate, StreamID: 1}, Direction: wiretap.ToClient, Size: 13},
		headers(wiretap.ToClient, 1, frame.FlagEndHeaders, 20, ":path", "/a/b", "x-long", strings.Repeat("y", 100)),
	})
	v.show([]wiretap.Event{
		headers(wiretap.ToServer, 3, frame.FlagEndHeaders|frame.FlagEndStream, 12, ":path", "/a/b", "te", "trailers", "x", "1"),
		{Header: frame.Header{Type: frame.TypeRSTStream, StreamID: 3}, Text: "RST_STREAM stream=3 len=4 CANCEL", Size: 13},
		headers(wiretap.ToClient, 3, frame.FlagEndHeaders|frame.FlagEndStream, 50, "grpc-status", "4"), // late
	})
	const want = `  --> HEADERS    stream 1   100 bytes
        :path: /a/b  te: trailers  grpc-encoding: gzip
  --> DATA       stream 1   1,234 bytes · 2 messages of 1,200 (gzip), 3 · END_STREAM
  <-- HEADERS    stream 1   20 bytes
        :path: /a/b
        x-long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
        yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
  --> HEADERS    stream 3   12 bytes · END_STREAM
        x: 1  (+ 2 fields as before)
  --> RST_STREAM stream 3   13 bytes · code CANCEL
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	const total = "2 streams, 1,398 bytes to the server and 83 back"
	if got := v.total(); got != total {
		t.Errorf("total %q, want %q", got, total)
	}
	if got := v.frames; got["SETTINGS"] != 1 || got["WINDOW_UPDATE"] != 1 || got["connection preface"] != 1 ||
		got["HEADERS of a stream after its reset"] != 1 || len(got) != 4 {
		t.Errorf("frames not shown: %v", got)
	}
}

func TestAllEnded(t *testing.T) {
	open := headers(wiretap.ToServer, 1, frame.FlagEndHeaders, 10)
	half := headers(wiretap.ToServer, 1, frame.FlagEndHeaders|frame.FlagEndStream, 10)
	answer := headers(wiretap.ToClient, 1, frame.FlagEndHeaders|frame.FlagEndStream, 10)
	other := headers(wiretap.ToServer, 3, frame.FlagEndHeaders|frame.FlagEndStream, 10)
	reset := wiretap.Event{Header: frame.Header{Type: frame.TypeRSTStream, StreamID: 1}, Size: 13}
	settings := wiretap.Event{Header: frame.Header{Type: frame.TypeSettings}, Size: 9}
	for _, c := range []struct {
		name   string
		events []wiretap.Event
		want   bool
	}{
		{"nothing yet", nil, false},
		{"only the connection's", []wiretap.Event{settings}, false},
		{"open", []wiretap.Event{open}, false},
		{"half closed", []wiretap.Event{half}, false},
		{"both halves", []wiretap.Event{settings, half, answer}, true},
		{"the answer first", []wiretap.Event{open, answer}, false},
		{"reset", []wiretap.Event{open, reset}, true},
		{"another is open", []wiretap.Event{half, other, answer}, false},
	} {
		if got := allEnded(c.events); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
