package policy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/auth/policy"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

const shop = `{
  "name": "shop",
  "deny_rules": [
    {"name": "no-dev", "request": {"headers": [{"key": "X-Dev", "values": ["*"]}]}},
    {"name": "not-outside", "source": {"addresses": ["203.0.113.0/24", "2001:db8::/32"]}}
  ],
  "allow_rules": [
    {"name": "admins", "source": {"groups": ["admin"]}},
    {"name": "readers", "source": {"principals": ["spiffe://example.com/*", "*.example.org"]},
     "request": {"paths": ["/shop.Products/Get*", "/shop.Products/List"]}},
    {"name": "blue", "source": {"claims": {"Tenant": ["blue"], "level": ["7"], "beta": ["true"]}, "schemes": ["jwt"]}},
    {"name": "public", "request": {"paths": ["/shop.Public/*"]}}
  ]
}`

func open(t *testing.T, text string) *policy.Rules {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := policy.New(p, policy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDecide(t *testing.T) {
	rules := open(t, shop)
	pod := &auth.Caller{Scheme: "certificate", Subject: "spiffe://example.com/a", Names: []string{"spiffe://example.com/a", "a.b"}}
	host := &auth.Caller{Subject: "x", Names: []string{"x", "www.example.org"}}
	admin := &auth.Caller{Subject: "ada", Groups: []string{"staff", "admin"}}
	blue := &auth.Caller{Scheme: "jwt", Subject: "b", Claims: map[string]any{"Tenant": []any{"red", "blue"}, "level": json.Number("7"), "beta": true}}
	red := &auth.Caller{Scheme: "jwt", Subject: "r", Claims: map[string]any{"Tenant": "red", "level": json.Number("7"), "beta": true}}
	near := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}
	for _, c := range []struct {
		method string
		caller *auth.Caller
		addr   string
		dev    string
		rule   string
		ok     bool
	}{
		{"/shop.Products/GetOne", pod, "", "", "readers", true},
		{"/shop.Products/List", host, "", "", "readers", true},
		{"/shop.Products/ListAll", pod, "", "", "", false},
		{"/shop.Products/Delete", pod, "", "", "", false},
		{"/shop.Products/Delete", admin, "", "", "admins", true},
		{"/shop.Products/Delete", admin, "", "1", "no-dev", false},
		{"/shop.Products/Delete", admin, "203.0.113.7:80", "", "not-outside", false},
		{"/shop.Products/Delete", admin, "[::ffff:203.0.113.7]:80", "", "not-outside", false},
		{"/shop.Products/Delete", admin, "[2001:db8::1%eth0]:80", "", "not-outside", false},
		{"/shop.Products/Delete", admin, "203.0.114.7:80", "", "admins", true},
		{"/shop.Products/Delete", blue, "", "", "blue", true},
		{"/shop.Products/Delete", red, "", "", "", false},
		{"/shop.Public/Any", nil, "", "", "public", true},
		{"/shop.Products/GetOne", nil, "", "", "", false},
		{"/SHOP.Public/Any", nil, "", "", "", false},
	} {
		var addr net.Addr = near
		if c.addr != "" {
			addr = net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.addr))
		}
		d := rules.Decide(policy.Input{Method: c.method, Caller: c.caller, Addr: addr, Header: func(key string) []string {
			if key == "x-dev" && c.dev != "" {
				return []string{c.dev}
			}
			return nil
		}})
		if d.Allowed != c.ok || d.Rule != c.rule || d.Policy != "shop" {
			t.Errorf("%s as %v from %v: %+v; want rule %q, %v", c.method, c.caller, addr, d, c.rule, c.ok)
		}
	}
}

// TestExplain: each rule that was passed over says why, and nothing is said of those behind the one
// that decides.
func TestExplain(t *testing.T) {
	rules := open(t, shop)
	reader := &auth.Caller{Scheme: "basic", Subject: "www.example.org"}
	for _, c := range []struct {
		in   policy.Input
		want string
	}{
		{policy.Input{Method: "/shop.Products/List", Caller: reader}, "no-dev headers, not-outside addresses, admins groups: readers true"},
		{policy.Input{Method: "/shop.Products/Put", Caller: reader}, "no-dev headers, not-outside addresses, admins groups, readers paths, blue schemes, public paths:  false"},
		{policy.Input{Method: "/x/y", Header: func(string) []string { return []string{"1"} }}, ": no-dev false"},
		{policy.Input{Method: "/shop.Public/Get"}, "no-dev headers, not-outside addresses, admins groups, readers paths, blue schemes: public true"},
	} {
		d, passed := rules.Explain(c.in)
		var got []string
		for _, m := range passed {
			got = append(got, m.Rule+" "+m.Part)
		}
		if s := fmt.Sprintf("%s: %s %v", strings.Join(got, ", "), d.Rule, d.Allowed); s != c.want {
			t.Errorf("%v: %s\nwant %s", c.in.Method, s, c.want)
		}
	}
}

func TestParseFaults(t *testing.T) {
	rule := func(s string) string { return `{"name": "p", "allow_rules": [` + s + `]}` }
	for text, want := range map[string]string{
		``: "EOF", `null`: "null", `[]`: "line 1, column", `{`: "EOF", `{} {}`: "more than one",
		`{"name": "p"}`: "no allow rule", `{"allow_rules": [{"name": "a"}]}`: "no name",
		`{"name": "p", "allow_rules": [{"name": "a"}], "audit_logging_options": {}}`: "audit_logging_options",
		"{\"name\": \"p\",\n \"allow_rules\": [{\"name\": 7}]}":                      "line 2, column",
		`{"name": "p", "name": "q", "allow_rules": [{"name": "a"}]}`:                 "twice",
		`{"name": "p", "Allow_Rules": [{"name": "a"}]}`:                              "lower case",
		rule(`{}`): "no name", rule(`{"name": "a", "source": {"principal": ["x"]}}`): "principal",
		rule(`{"name": "a", "source": {"principals": [""]}}`):                                     "empty value",
		rule(`{"name": "a", "source": {"principals": ["a*b"]}}`):                                  "middle",
		rule(`{"name": "a", "source": {"principals": ["*b*"]}}`):                                  "both ends",
		rule(`{"name": "a", "source": {"claims": {"x": []}}}`):                                    "no values",
		rule(`{"name": "a", "source": {"addresses": ["10.0.0.0/33"]}}`):                           "10.0.0.0/33",
		rule(`{"name": "a", "source": {"addresses": ["fe80::1%eth0"]}}`):                          "fe80",
		rule(`{"name": "a", "request": {"paths": ["shop.Products/Get"]}}`):                        "begin with",
		rule(`{"name": "a", "request": {"headers": [{"key": ":path", "values": ["x"]}]}}`):        "key of metadata",
		rule(`{"name": "a", "request": {"headers": [{"key": "grpc-timeout", "values": ["x"]}]}}`): "not matched",
		rule(`{"name": "a", "request": {"headers": [{"key": "te", "values": ["x"]}]}}`):           "not matched",
		rule(`{"name": "a", "request": {"headers": [{"key": "a-bin", "values": ["x"]}]}}`):        "bytes",
		rule(`{"name": "a", "request": {"headers": [{"key": "a", "values": []}]}}`):               "no values",
		rule(strings.Repeat(`[`, 100)):                                                            "",
	} {
		if _, err := policy.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v; want %q", text, err, want)
		}
	}
	if _, err := policy.New(&policy.Policy{Name: "p"}, policy.Config{}); err == nil {
		t.Error("a policy of code without allow rules is accepted")
	}
}

// naive is the engine's reference: it is written from A43's text, value by value.
func naive(p *policy.Policy, in policy.Input) (rule string, allowed bool) {
	value := func(pattern, v string) bool {
		switch {
		case pattern == "*":
			return v != ""
		case pattern[0] == '*':
			return len(v) >= len(pattern)-1 && v[len(v)-len(pattern)+1:] == pattern[1:]
		case pattern[len(pattern)-1] == '*':
			return len(v) >= len(pattern)-1 && v[:len(pattern)-1] == pattern[:len(pattern)-1]
		}
		return pattern == v
	}
	some := func(patterns []string, values ...string) bool {
		if len(patterns) == 0 {
			return true
		}
		for _, p := range patterns {
			if slices.ContainsFunc(values, func(v string) bool { return value(p, v) }) {
				return true
			}
		}
		return false
	}
	matches := func(r policy.Rule) bool {
		var c auth.Caller
		if in.Caller != nil {
			c = *in.Caller
		}
		for _, h := range r.Request.Headers {
			if v := in.Header(h.Key); len(v) == 0 || !some(h.Values, strings.Join(v, ",")) {
				return false
			}
		}
		return some(r.Request.Paths, in.Method) && some(r.Source.Principals, c.Names...) && some(r.Source.Groups, c.Groups...) &&
			some(r.Source.Schemes, c.Scheme)
	}
	for _, r := range p.Deny {
		if matches(r) {
			return r.Name, false
		}
	}
	for _, r := range p.Allow {
		if matches(r) {
			return r.Name, true
		}
	}
	return "", false
}

// TestAgainstReference compares the engine with the reference over random policies and calls.
func TestAgainstReference(t *testing.T) {
	words := []string{"a", "b", "ab", "ba", "/a/b", "/a/ab", "/b/a", "abc"}
	patterns := []string{"*", "a", "ab", "a*", "*b", "/a/*", "*/a", "/a/b", "abc*", "b"}
	paths := []string{"*", "/a/*", "*/a", "/a/b", "/a/ab", "/*"}
	pick := func(rng *rand.Rand, from []string) []string {
		var out []string
		for range max(rng.IntN(5)-2, 0) {
			out = append(out, from[rng.IntN(len(from))])
		}
		return out
	}
	allowed := 0
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rules := func(kind string, n int) []policy.Rule {
			var all []policy.Rule
			for i := range n {
				r := policy.Rule{
					Name:    fmt.Sprint(kind, i),
					Source:  policy.Source{Principals: pick(rng, patterns), Groups: pick(rng, patterns), Schemes: pick(rng, patterns)},
					Request: policy.Request{Paths: pick(rng, paths)},
				}
				if rng.IntN(3) == 0 {
					r.Request.Headers = []policy.Header{{Key: "k", Values: append(pick(rng, patterns), "a")}}
				}
				all = append(all, r)
			}
			return all
		}
		p := &policy.Policy{Name: "p", Deny: rules("deny", rng.IntN(3)), Allow: rules("allow", 1+rng.IntN(3))}
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		engine := open(t, string(text))
		for range 20 {
			header := pick(rng, words)
			in := policy.Input{Method: words[rng.IntN(len(words))], Header: func(string) []string { return header }}
			if rng.IntN(4) > 0 {
				in.Caller = &auth.Caller{Names: pick(rng, words), Groups: pick(rng, words), Scheme: words[rng.IntN(len(words))]}
			}
			d := engine.Decide(in)
			if rule, ok := naive(p, in); d.Rule != rule || d.Allowed != ok {
				t.Fatalf("seed %d: %+v decides %+v; the reference says rule %q, %v\n%s", seed, in, d, rule, ok, text)
			}
			if d.Allowed {
				allowed++
			}
		}
	}
	if allowed < 5000 || allowed > 35000 {
		t.Errorf("%d of 40000 calls are allowed: the test does not tell much", allowed)
	}
}

type text = wrapperspb.StringValue

func serve(t *testing.T, rules *policy.Rules, who *auth.Caller) *naru.Client {
	method := func(name string) naru.MethodDesc {
		return stub.UnaryHandler(&naru.MethodInfo{FullMethod: name}, func(_ context.Context, m *text) (*text, error) { return m, nil })
	}
	return narutest.NewServer(t, func(s *naru.Server) {
		s.RegisterService(&naru.ServiceDesc{Name: "shop.Products", Methods: []naru.MethodDesc{method("/shop.Products/Get"), method("/shop.Products/Delete")}})
		s.RegisterService(&naru.ServiceDesc{Name: "shop.Public", Methods: []naru.MethodDesc{method("/shop.Public/Get")}})
	}, naru.WithAuthenticator(rules.Enforce(func(ctx context.Context, _ *naru.Call) (context.Context, error) {
		if who == nil {
			return ctx, nil
		}
		return auth.NewContext(ctx, who), nil
	}))).Client()
}

func invoke(t *testing.T, c *naru.Client, method string, kv ...string) error {
	ctx := metadata.AppendToOutgoingContext(t.Context(), kv...)
	return c.Invoke(ctx, &naru.MethodInfo{FullMethod: method}, wrapperspb.String("x"), new(text))
}

func TestEnforce(t *testing.T) {
	var decisions []policy.Decision
	p, err := policy.Parse([]byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.New(p, policy.Config{Report: func(d policy.Decision) { decisions = append(decisions, d) }})
	if err != nil {
		t.Fatal(err)
	}
	pod := &auth.Caller{Subject: "spiffe://example.com/a", Names: []string{"spiffe://example.com/a"}}
	c, anybody := serve(t, rules, pod), serve(t, rules, nil)
	for _, test := range []struct {
		client *naru.Client
		method string
		kv     []string
		want   codes.Code
	}{
		{c, "/shop.Products/Get", nil, codes.OK}, {c, "/shop.Products/Delete", nil, codes.PermissionDenied},
		{c, "/shop.Products/Get", []string{"x-dev", "1"}, codes.PermissionDenied},
		{anybody, "/shop.Products/Get", nil, codes.Unauthenticated}, {anybody, "/shop.Public/Get", nil, codes.OK},
	} {
		err := invoke(t, test.client, test.method, test.kv...)
		if status.Code(err) != test.want || err != nil && (strings.Contains(err.Error(), "no-dev") || strings.Contains(err.Error(), "readers")) {
			t.Errorf("%s %q: %v, want %v", test.method, test.kv, err, test.want)
		}
	}
	if len(decisions) != 5 || decisions[2].Rule != "no-dev" || decisions[2].Caller != pod {
		t.Errorf("decisions %+v", decisions)
	}
}

// TestPathsDoNotSlipPast: a method that a rule denies cannot be reached by another way of writing
// its path.
func TestPathsDoNotSlipPast(t *testing.T) {
	rules := open(t, `{"name": "p", "deny_rules": [{"name": "d", "request": {"paths": ["/shop.Products/Delete"]}}], "allow_rules": [{"name": "all"}]}`)
	c := serve(t, rules, &auth.Caller{Subject: "x"})
	if err := invoke(t, c, "/shop.Products/Get"); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/shop.Products/Delete", "//shop.Products/Delete", "/shop.Products//Delete", "/shop.Products/Delete/", "/shop.Products/Delete?x",
		"/shop.Products/Delete#x", "/shop.Products/%44elete", "/shop.Products/delete", "/SHOP.Products/Delete", "/shop.Products/Delete ",
		"/./shop.Products/Delete", "/x/../shop.Products/Delete", "/shop.Products/../shop.Products/Delete", "/shop.Products/Delete%00",
		"/shop.Products\\Delete", "/shop.Products/Delete;a=b", "shop.Products/Delete", "http://host/shop.Products/Delete", "*",
		"/shop%2EProducts/Delete", "/shop.Products%2FDelete", "/shop.Products/Delete\u200b",
	} {
		if err := invoke(t, c, path); err == nil {
			t.Errorf("%q: served", path)
		}
	}
}

func TestDryRunAndReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.json")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := policy.Open(path, policy.Config{}); err == nil {
		t.Error("a file that is not there: no error")
	}
	const all = `{"name": "one", "allow_rules": [{"name": "all"}]}`
	const nobody = `{"name": "two", "allow_rules": [{"name": "x", "source": {"principals": ["nobody"]}}]}`
	write(all, time.Hour)
	var log bytes.Buffer
	rules, err := policy.Open(path, policy.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	in := policy.Input{Method: "/a/b"}
	want := func(name string, allowed bool) {
		t.Helper()
		policy.LookAgain(rules)
		if d := rules.Decide(in); d.Policy != name || d.Allowed != allowed {
			t.Errorf("%+v, want policy %s, allowed %v", d, name, allowed)
		}
	}
	want("one", true)
	write(nobody[:20], time.Minute)
	want("one", true)
	want("one", true)
	write(nobody, 0) // just written: perhaps not complete
	want("one", true)
	write(nobody, 50*time.Second)
	want("two", false)
	if n := strings.Count(log.String(), "cannot be used"); n != 1 || !strings.Contains(log.String(), "a changed policy is in use") {
		t.Errorf("log:\n%s", &log)
	}

	log.Reset()
	dry, err := policy.Open(path, policy.Config{DryRun: true, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	c := serve(t, dry, &auth.Caller{Scheme: "basic", Subject: "ada"})
	for range 10 {
		if err := invoke(t, c, "/shop.Products/Delete"); err != nil {
			t.Errorf("in a dry run: %v", err)
		}
	}
	if n := strings.Count(log.String(), "would have been refused"); n < 1 || n > 2 || !strings.Contains(log.String(), "basic:ada") {
		t.Errorf("log of a dry run:\n%s", &log)
	}
}

func TestDecideAllocates(t *testing.T) {
	rules := open(t, shop)
	in := policy.Input{
		Method: "/shop.Products/GetOne", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, Header: func(string) []string { return nil },
		Caller: &auth.Caller{Subject: "spiffe://example.com/a", Names: []string{"spiffe://example.com/a"}},
	}
	if n := testing.AllocsPerRun(1000, func() {
		if !rules.Decide(in).Allowed {
			t.Fatal("refused")
		}
	}); n > 1 { // the input, which escapes
		t.Errorf("%v allocations for a decision", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(shop))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := policy.Parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := policy.Parse(again); err != nil {
			t.Errorf("%s\nis understood, and written again as %s\nis not: %v", text, again, err)
		}
	})
}
