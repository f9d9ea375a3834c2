package resolver

import (
	"strings"
	"testing"
)

func builtin() Registry {
	return NewRegistry(DNS(DNSOptions{}), Passthrough(), Unix(), UnixAbstract(), IPv4(), IPv6())
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in                          string
		scheme, authority, endpoint string
	}{
		// naming.md
		{"dns:///shop.example.com:443", "dns", "", "shop.example.com:443"},
		{"dns:shop.example.com", "dns", "", "shop.example.com"},
		{"dns://8.8.8.8/shop.example.com:443", "dns", "8.8.8.8", "shop.example.com:443"},
		{"dns://[2001:db8::1]:53/shop", "dns", "[2001:db8::1]:53", "shop"},
		{"DNS:///x", "dns", "", "x"},
		{"unix:run/shop.sock", "unix", "", "run/shop.sock"},
		{"unix:/run/shop.sock", "unix", "", "/run/shop.sock"},
		{"unix:///run/shop.sock", "unix", "", "/run/shop.sock"},
		{"unix-abstract:shop", "unix-abstract", "", "shop"},
		{"unix-abstract:///shop", "unix-abstract", "", "/shop"},
		{"ipv4:10.0.0.1:80,10.0.0.2", "ipv4", "", "10.0.0.1:80,10.0.0.2"},
		{"ipv6:[::1]:80", "ipv6", "", "[::1]:80"},
		{"passthrough:///a:1", "passthrough", "", "a:1"},
		{"passthrough:a:1", "passthrough", "", "a:1"},
		// no scheme, or one that is a host name
		{"localhost:50051", "dns", "", "localhost:50051"},
		{"localhost", "dns", "", "localhost"},
		{"10.0.0.1:80", "dns", "", "10.0.0.1:80"},
		{"[::1]:80", "dns", "", "[::1]:80"},
		{"::1", "dns", "", "::1"},
		{":50051", "dns", "", ":50051"},
		{"shop.example.com:https", "dns", "", "shop.example.com:https"},
		// percent-encoding, query and fragment (RFC 3986)
		{"dns:///a%2Fb", "dns", "", "a/b"},
		{"dns:///a?x=1#frag", "dns", "", "a"},
		{"unix:///with%20space", "unix", "", "/with space"},
	} {
		got, _, err := builtin().Parse(tt.in, "dns")
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.in, err)
			continue
		}
		if got.Scheme != tt.scheme || got.Authority != tt.authority || got.Endpoint != tt.endpoint {
			t.Errorf("Parse(%q): got scheme %q, authority %q, endpoint %q; want %q, %q, %q", tt.in,
				got.Scheme, got.Authority, got.Endpoint, tt.scheme, tt.authority, tt.endpoint)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "empty"},
		{"zookeeper://a/b", `no resolver for scheme "zookeeper"`},
		{"dns:///%zz", "path"},
		{"dns:///a?%zz", "query"},
		{"dns://%zz/a", "authority"},
	} {
		_, _, err := builtin().Parse(tt.in, "dns")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q): got %v, want an error with %q", tt.in, err, tt.want)
		}
	}
	if _, _, err := NewRegistry().Parse("a:1", "dns"); err == nil {
		t.Errorf("an empty registry parsed a target")
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"dns:///", "no host name"},
		{"dns:///a:", "nothing after the colon"},
		{"dns:///a:b:c", "too many colons"},
		{"unix:", "no path"},
		{"unix://host/path", "no authority"},
		{"unix-abstract:", "no socket name"},
		{"unix-abstract://host/x", "no authority"},
		{"passthrough:///", "no address"},
		{"ipv4:[::1]:80", "not an ipv4 address"},
		{"ipv4:10.0.0.1,,10.0.0.2", "no host name"},
		{"ipv6:10.0.0.1:80", "not an ipv6 address"},
		{"dns://:bad:/a", "DNS server"},
	} {
		target, b, err := builtin().Parse(tt.in, "dns")
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.in, err)
			continue
		}
		if _, err = b.Build(target, Options{}); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.in) {
			t.Errorf("Build(%q): got %v, want an error with the target and %q", tt.in, err, tt.want)
		}
	}
}

func TestAuthority(t *testing.T) {
	for in, want := range map[string]string{
		"dns:///shop.example.com:443": "shop.example.com:443",
		"shop.example.com":            "shop.example.com",
		":50051":                      "localhost:50051",
		"unix:///run/x":               "localhost",
		"unix-abstract:x":             "localhost",
		"passthrough:///a:1":          "a:1",
		"ipv4:10.0.0.1:80":            "10.0.0.1:80",
	} {
		target, b, err := builtin().Parse(in, "dns")
		if err != nil {
			t.Fatal(err)
		}
		if got := b.(AuthorityBuilder).Authority(target); got != want {
			t.Errorf("authority of %q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, s := range []string{"dns:///a:1", "unix:/x", "dns://8.8.8.8/a?b=c#d", "a%20b", "[::1]:1", "x://y"} {
		f.Add(s)
	}
	reg := builtin()
	f.Fuzz(func(t *testing.T, s string) {
		target, b, err := reg.Parse(s, "dns")
		if err != nil {
			return
		}
		if got := reg.Get(target.Scheme); got == nil || got.Scheme() != b.Scheme() {
			t.Errorf("Parse(%q): scheme %q and builder do not belong together", s, target.Scheme)
		}
		_, _ = b.Build(target, Options{})
	})
}
