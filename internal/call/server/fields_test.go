package server

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru/internal/transport"
)

func TestFieldLists(t *testing.T) {
	usual := []transport.Field{{Name: "content-type", Value: "application/grpc"}, {Name: "te", Value: "trailers"},
		{Name: "grpc-timeout", Value: "1S"}, {Name: "user-agent", Value: "a/1"}, {Name: "grpc-accept-encoding", Value: "gzip"}}
	with := func(extra ...transport.Field) []transport.Field { return append(slices.Clone(usual), extra...) }
	cases := []struct {
		name   string
		fields []transport.Field
		want   []transport.Field
		shared bool
	}{
		{"of a usual call", usual, usual[3:], true},
		{"without a timeout", slices.Delete(with(), 2, 3), usual[3:], true},
		{"with metadata", with(transport.Field{Name: "authorization", Value: "secret"}), append(slices.Clone(usual[3:]), transport.Field{Name: "authorization", Value: "secret"}), false},
		{"very long", with(transport.Field{Name: "grpc-encoding", Value: strings.Repeat("x", longestShared)}), append(slices.Clone(usual[3:]), transport.Field{Name: "grpc-encoding", Value: strings.Repeat("x", longestShared)}), false},
		{"none", nil, nil, true},
	}
	var l fieldLists
	for _, c := range cases {
		first := l.keep(c.fields)
		second := l.keep(slices.Clone(c.fields))
		if !slices.Equal(first, c.want) || !slices.Equal(second, c.want) {
			t.Errorf("%s: %v, then %v, want %v", c.name, first, second, c.want)
		}
		if shared := len(first) == 0 || &first[0] == &second[0]; shared != c.shared {
			t.Errorf("%s: shared: %t, want %t", c.name, shared, c.shared)
		}
	}
}

// Lists whose lengths are the same take each other's place, and are never taken for one another.
func TestFieldListsOfTheSameLength(t *testing.T) {
	var l fieldLists
	var all sync.WaitGroup
	for _, agent := range []string{"a/1", "b/1", "c/1"} {
		fields := []transport.Field{{Name: "user-agent", Value: agent}}
		all.Go(func() {
			for range 1000 {
				if got := l.keep(fields); !slices.Equal(got, fields) {
					t.Errorf("%v, want %v", got, fields)
				}
			}
		})
	}
	all.Wait()
}
