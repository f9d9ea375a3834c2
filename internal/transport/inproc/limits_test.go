package inproc

import (
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/transport"
)

// A header section is refused above the receiver's limit, in either direction, by the sender that
// knows it.
func TestHeaderLimits(t *testing.T) {
	const limit = 1 << 10
	field := func(size int) []transport.Field {
		return []transport.Field{{Name: "k", Value: strings.Repeat("v", size-1-32)}}
	}
	for _, over := range []int{0, 1, 10_000} {
		want := ""
		if over > 0 {
			want = "peer_header_list"
		}
		token := func(err error) string {
			if err == nil {
				return ""
			}
			if large, ok := err.(*transport.HeaderListError); ok {
				if large.Limit != int64(limit) || large.Size != int64(limit+over) {
					t.Errorf("%v has size %d and limit %d", large, large.Size, large.Limit)
				}
				return "peer_header_list"
			}
			te := err.(*transport.Error)
			if te.Scope != transport.ScopeStream || te.Unprocessed {
				t.Errorf("%v has scope %v", te, te.Scope)
			}
			return string(te.Token)
		}
		h := new(many)
		c := New(h, 0, nil)
		c.LimitHeaders(HeaderLimits{Size: limit}, HeaderLimits{Size: limit})
		besides := requestSize(&transport.RequestHead{})
		if _, err := c.Open(&transport.RequestHead{Fields: field(limit - besides + over)}, nil, true, &recorder{}); token(err) != want {
			t.Errorf("a request %d over: %v, want %q", over, err, want)
		}
		if n := h.streams(); (n == 1) != (over == 0) {
			t.Errorf("a request %d over: %d streams", over, n)
		}
		for name, out := range map[string]*transport.Out{
			"head":     {Head: &transport.ResponseHead{Status: 200, Fields: field(limit - statusSize + over)}},
			"trailers": {Trailers: field(limit + over), End: true},
		} {
			if _, err := c.Open(&transport.RequestHead{}, nil, true, &recorder{}); err != nil {
				t.Fatal(err)
			}
			if err := h.last().Send(out); token(err) != want {
				t.Errorf("%s %d over: %v, want %q", name, over, err, want)
			}
			if err := h.last().Send(&transport.Out{End: true}); over > 0 && err != nil {
				t.Errorf("%s %d over: nothing can be sent in its place: %v", name, over, err)
			}
		}
		c.Close(nil)
	}
}

// oversized notes what a server is told of a head.
type oversized struct{ fields, over int }

func (o *oversized) Stream(s transport.ServerStream, h *transport.RequestHead, _ bool) transport.Sink {
	o.fields = len(h.Fields)
	if h.Oversize != nil {
		o.over++
	}
	return &recorder{}
}

// How many fields are too many is the receiver's to say.
func TestHeaderFieldLimits(t *testing.T) {
	for _, n := range []int{3, 4, 400} {
		o := &oversized{}
		c := New(o, 0, nil)
		c.LimitHeaders(HeaderLimits{Fields: 3}, HeaderLimits{})
		if _, err := c.Open(&transport.RequestHead{Fields: make([]transport.Field, n)}, nil, true, &recorder{}); err != nil {
			t.Fatal(err)
		}
		if o.fields != min(n, 3) || (o.over == 1) != (n > 3) {
			t.Errorf("of %d fields the server was told %d, oversize %d times", n, o.fields, o.over)
		}
		c.Close(nil)
	}
}
