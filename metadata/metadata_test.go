package metadata

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestMD(t *testing.T) {
	md := Pairs("Key", "1", "key", "2", "other", "x")
	md.Append("KEY", "3", "4")
	md.Append("none")
	md.Set("Other", "y", "z")
	md.Set("other")
	if diff := cmp.Diff(map[string][]string{"key": {"1", "2", "3", "4"}, "other": {"y", "z"}}, map[string][]string(md)); diff != "" {
		t.Errorf("after Pairs, Append and Set (-want +got):\n%s", diff)
	}
	if got := md.First("OTHER"); got != "y" || md.First("none") != "" {
		t.Errorf("First = %q and %q, want y and nothing", got, md.First("none"))
	}
	if md.Len() != 2 || len(md.Get("Key")) != 4 || md.Get("none") != nil {
		t.Errorf("Len %d, Get %v and %v", md.Len(), md.Get("Key"), md.Get("none"))
	}
	md.Delete("KEY")
	if md.Len() != 1 {
		t.Errorf("after Delete: %v", md)
	}
	if diff := cmp.Diff(map[string][]string{"a": {"1"}, "b": {"2"}}, map[string][]string(New(map[string]string{"A": "1", "b": "2"}))); diff != "" {
		t.Errorf("New (-want +got):\n%s", diff)
	}
	var none MD
	if none.Len() != 0 || none.Get("x") != nil || none.Copy() == nil {
		t.Error("the nil MD cannot be read and copied")
	}
}

func TestPairsPanicsOnOddNumber(t *testing.T) {
	defer func() {
		if p := fmt.Sprint(recover()); !strings.Contains(p, `key "lonely" has no value`) {
			t.Errorf("panic %q, want the key named", p)
		}
	}()
	Pairs(strings.Fields("a 1 lonely")...)
}

func TestCopiesShareNothing(t *testing.T) {
	values := make([]string, 1, 10)
	values[0] = "1"
	a := MD{"K": values} // capitals, by hand
	b := a.Copy()
	c := Join(a, b)
	a["K"][0] = "changed"
	b.Append("k", "b")
	if diff := cmp.Diff(map[string][]string{"k": {"1", "1"}}, map[string][]string(c)); diff != "" {
		t.Errorf("joined (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"k": {"1", "2"}, "other": {"3"}}, map[string][]string(MD{"K": {"1"}, "k": {"2"}, "other": {"3"}, "none": nil}.Copy()), cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("copy of keys that differ in case alone (-want +got):\n%s", diff)
	}
	e1 := MD{"a": {"1"}, "b": {"2"}}.Copy()
	e1.Append("a", "x")
	e1.Append("b", "y")
	if diff := cmp.Diff(map[string][]string{"a": {"1", "x"}, "b": {"2", "y"}}, map[string][]string(e1)); diff != "" {
		t.Errorf("a copy's keys wrote into each other (-want +got):\n%s", diff)
	}
	// Two that started from the same slice must not append into the same array.
	d, e := MD{"k": values}, MD{"k": values}
	d.Append("k", "d")
	e.Append("k", "e")
	if d["k"][1] != "d" || e["k"][1] != "e" {
		t.Errorf("appends met: %v %v", d, e)
	}
}

func TestLowerIsASCII(t *testing.T) {
	for in, want := range map[string]string{"ABC-xyz_9.Z": "abc-xyz_9.z", "plain": "plain", "\u212aey": "\u212aey", "É": "É", "": ""} {
		if got := lower(in); got != want {
			t.Errorf("lower(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestIncomingContext(t *testing.T) {
	if md, ok := FromIncomingContext(t.Context()); ok || md != nil {
		t.Errorf("without metadata: %v, %v", md, ok)
	}
	ctx := NewIncomingContext(t.Context(), MD{"Key": {"1", "2"}})
	md, ok := FromIncomingContext(ctx)
	if diff := cmp.Diff(map[string][]string{"key": {"1", "2"}}, map[string][]string(md)); diff != "" || !ok {
		t.Errorf("%v (-want +got):\n%s", ok, diff)
	}
	md["key"][0] = "changed"
	if got := ValueFromIncomingContext(ctx, "KEY"); len(got) != 2 || got[0] != "1" {
		t.Errorf("values = %v, want a copy the change did not reach", got)
	}
	if got := ValueFromIncomingContext(ctx, "none"); got != nil {
		t.Errorf("values of a key that is not there = %v", got)
	}
	if got := ValueFromIncomingContext(t.Context(), "key"); got != nil {
		t.Errorf("values without metadata = %v", got)
	}
}

// lazyContext answers with metadata that is put together when asked, as a server's does.
type lazyContext struct {
	context.Context
	asked []string
}

func (c *lazyContext) Value(key any) any {
	if key == (IncomingKey{}) {
		return c
	}
	return c.Context.Value(key)
}

func (c *lazyContext) IncomingMetadata() MD {
	c.asked = append(c.asked, "all")
	return MD{"a": {"1"}, "b": {"2"}}
}

func (c *lazyContext) IncomingValues(key string) []string {
	c.asked = append(c.asked, key)
	return []string{"of " + key}
}

func TestIncomingOnDemand(t *testing.T) {
	lazy := &lazyContext{Context: t.Context()}
	if got := ValueFromIncomingContext(lazy, "KEY"); len(got) != 1 || got[0] != "of key" {
		t.Errorf("values = %v", got)
	}
	md, ok := FromIncomingContext(lazy)
	if !ok || md.First("b") != "2" {
		t.Errorf("metadata = %v, %v", md, ok)
	}
	if diff := cmp.Diff([]string{"key", "all"}, lazy.asked); diff != "" {
		t.Errorf("asked for (-want +got):\n%s", diff)
	}
	over := NewIncomingContext(lazy, Pairs("x", "y"))
	if md, _ := FromIncomingContext(over); md.First("x") != "y" || md.Len() != 1 {
		t.Errorf("NewIncomingContext over a call's context = %v, want its own alone", md)
	}
}

func TestOutgoingContext(t *testing.T) {
	if _, ok := FromOutgoingContext(t.Context()); ok {
		t.Error("outgoing metadata where none was set")
	}
	base := NewOutgoingContext(t.Context(), MD{"K": {"1"}, "other": {"x"}})
	one := AppendToOutgoingContext(base, "k", "2", "New", "n")
	two := AppendToOutgoingContext(one, "K", "3")
	fork := AppendToOutgoingContext(one, "k", "fork")
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want map[string][]string
	}{
		{"base", base, map[string][]string{"k": {"1"}, "other": {"x"}}},
		{"two", two, map[string][]string{"k": {"1", "2", "3"}, "other": {"x"}, "new": {"n"}}},
		{"fork", fork, map[string][]string{"k": {"1", "2", "fork"}, "other": {"x"}, "new": {"n"}}},
		{"replaced", NewOutgoingContext(two, Pairs("a", "b")), map[string][]string{"a": {"b"}}},
		{"alone", AppendToOutgoingContext(t.Context(), "A", "b"), map[string][]string{"a": {"b"}}},
		{"nothing", NewOutgoingContext(t.Context(), nil), map[string][]string{}},
	} {
		got, ok := FromOutgoingContext(tt.ctx)
		if diff := cmp.Diff(tt.want, map[string][]string(got)); diff != "" || !ok {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, ok, diff)
		}
	}
	if _, ok := FromIncomingContext(two); ok {
		t.Error("outgoing metadata came in")
	}
}

func TestAppendKeepsTheCallersSlice(t *testing.T) {
	kv := []string{"Key", "1"}
	ctx := AppendToOutgoingContext(t.Context(), kv...)
	if kv[0] != "Key" {
		t.Error("the caller's slice was changed")
	}
	kv[1] = "changed"
	if md, _ := FromOutgoingContext(ctx); md.First("key") != "1" {
		t.Errorf("metadata = %v, want what was given", md)
	}
}

func TestPrintingHidesSecrets(t *testing.T) {
	secretMD := MD{
		"authorization":   {"Bearer s3cret"},
		"Cookie":          {"id=s3cret"},
		"set-cookie":      {"id=s3cret"},
		"x-access-token":  {"s3cret"},
		"session-bin":     {"s3cret"},
		"auth-token-bin":  {"s3cret"},
		"client-password": {"s3cret"},
		"x-api-key":       {"s3cret"},
		"user-agent":      {"shop/1"},
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("call", "md", secretMD)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("call", "md", secretMD)
	texts := []string{secretMD.String(), logged.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, secretMD))
	}
	texts = append(texts, fmt.Sprint(secretMD), fmt.Sprintf("%v", struct{ M MD }{secretMD}))
	for _, s := range texts {
		if strings.Contains(s, "s3cret") || strings.Contains(s, "733363726574") {
			t.Errorf("printed a secret: %s", s)
		}
		if !strings.Contains(s, "shop/1") {
			t.Errorf("printed too little: %s", s)
		}
	}
	want := "map[a:[1 2] authorization:[[redacted]] b-bin:[[3 bytes]]]"
	if got := Pairs("a", "1", "a", "2", "b-bin", "\x00\x01\x02", "authorization", "x").String(); got != want {
		t.Errorf("String = %s, want %s", got, want)
	}
	if got := fmt.Sprintf("%q", Pairs("a", "1")); got != `"map[a:[1]]"` {
		t.Errorf("%%q = %s", got)
	}
}

func ExampleAppendToOutgoingContext() {
	ctx := AppendToOutgoingContext(context.Background(), "x-request-id", "42", "trace-bin", "\x00\x01")
	md, _ := FromOutgoingContext(ctx)
	fmt.Println(md)
	// Output: map[trace-bin:[[2 bytes]] x-request-id:[42]]
}
