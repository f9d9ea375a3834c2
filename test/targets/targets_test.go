package targets

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// alike are targets that both stacks understand in the same way, or refuse.
var alike = []string{
	"", "shop", "shop:443", "shop:", ":443", ":", "shop:0", "a:b:c", "localhost:80", "x_y:80", "1scheme:80", "foo:80",
	"dns:shop", "dns:shop:50051", "dns:/shop", "dns:/shop:1", "dns://shop", "dns:///shop", "dns:///shop:50051", "dns:////shop", "dns:///shop/",
	"dns:///shop/x", "DNS:///shop", "Dns:shop", "dns:///", "dns:", "dns://", "dns:///:80", "dns:///shop:", "dns:///shop.:443",
	"dns:///sh%6Fp:1", "dns:///shop%3A1", "dns:///shop%", "dns:///%zz", "dns:///shop?x=y", "dns:///shop#frag", "dns:shop?x=y", "shop?x", "shop#x",
	"1.2.3.4", "1.2.3.4:80", "dns:1.2.3.4:80", "dns:///1.2.3.4", "1.2.3.4.5", "1.2.3", "01.2.3.4:80",
	"[::1]", "[::1]:80", "[::1]:", "dns:[::1]:80", "dns:///[::1]:80", "[1.2.3.4]:80", "[shop]:80", "[::1", "::1]", "[::1]x", "[::1]80", "[::ffff:1.2.3.4]:80",
	"passthrough:///shop:1", "passthrough:shop:1", "passthrough:/shop:1", "passthrough:///", "passthrough:", "passthrough://a/shop:1",
	"passthrough:///unix:///tmp/x", "passthrough:///unix:/tmp/x", "passthrough:///a%20b", "passthrough:///:80", "passthrough:///[::1]:80", "passthrough:///a,b",
	"unix:run/x.sock", "unix:/run/x.sock", "unix:///run/x.sock", "unix://run/x.sock", "unix:./x", "unix:///", "unix:/run/a%20b", "unix:run/a b",
	"unix:///run/a b", "unix:run/x?y", "unix:run/x#y", "UNIX:run/x", "unix:@x", "unix://localhost/run/x",
	"unix-abstract:x", "unix-abstract:///x", "unix-abstract:/x", "unix-abstract://x", "unix-abstract:a b", "unix-abstract:@x",
	"http://shop:80/x", "//shop", "///shop", "/shop", "/run/x.sock", "shop/x", "a b", " shop", "shop ", "shop\n", "shop\x00", "a,b", "a:1,b:2",
	"sh\u00f6p:1", "dns:///sh\u00f6p:1", "user@shop:1", "dns:///user@shop:1",
}

func TestAlike(t *testing.T) {
	fakeDNS(t)
	for _, s := range alike {
		if n, g := naru(t, s), grpcgo(t, s); n != g {
			t.Errorf("%q: naru %v, grpc-go %v", s, n, g)
		}
	}
}

// different are targets that are understood in another way on purpose. The page on name resolution
// gives the reasons.
var different = []struct {
	target       string
	naru, grpcgo outcome
}{
	{"shop:http", "192.0.2.5:80; shop:http", "192.0.2.5:http; shop:http"},
	{"shop:99999", failed, "192.0.2.5:99999; shop:99999"},
	{"shop:-1", failed, "192.0.2.5:-1; shop:-1"},
	{"shop:80/x", failed, "192.0.2.5:80/x; shop:80%2Fx"},
	{"_grpc._tcp.shop", failed, "192.0.2.16:443; _grpc._tcp.shop"}, // there are no SRV records here
	{"foo:///bar", failed, "192.0.2.4:///bar; foo:%2F%2F%2Fbar"},
	{"xds:///x", failed, "192.0.2.4:///x; xds:%2F%2F%2Fx"},
	{"http://shop", failed, "192.0.2.5://shop; http:%2F%2Fshop"},
	{"foo:bar", failed, "192.0.2.4:bar; foo:bar"},
	{"dns://user@/shop", failed, "192.0.2.5:443; shop"},
	{"dns://a%20b/shop", failed, "192.0.2.4://a b/shop; dns:%2F%2Fa%20b%2Fshop"},
	{"dns:sh%6Fp", "192.0.2.5:443; shop", failed},
	{"unix:run/a%20b", "unix run/a b; localhost", "unix run/a%20b; localhost"},
	{"unix:run/a%", failed, "unix run/a%; localhost"},
	{"unix-abstract:a%00b", "unix @a\x00b; localhost", "unix @a%00b; localhost"},
	{"unix:", failed, "unix ; localhost"},
	{"unix://", failed, "unix ; localhost"},
	{"unix-abstract:", failed, "unix @; localhost"},
	{"passthrough:///a/b", "unix a/b; a%2Fb", "a/b; a%2Fb"},
	{"passthrough:///@x", "unix @x; @x", "@x; @x"},
	{"::1", "[::1]:443; [::1]", "[::1]:443; localhost::1"},
	{"2001:db8::1", "[2001:db8::1]:443; [2001:db8::1]", "[2001:db8::1]:443; 2001:db8::1"},
	{"[2001:DB8::1]:1", "[2001:db8::1]:1; [2001:DB8::1]:1", "[2001:DB8::1]:1; [2001:DB8::1]:1"},
	{"[fe80::1%eth0]:80", "[fe80::1%eth0]:80; [fe80::1]:80", failed},
	{"[fe80::1%25eth0]:80", "[fe80::1%eth0]:80; [fe80::1]:80", "[fe80::1%eth0]:80; [fe80::1%25eth0]:80"},
	{"dns:[fe80::1%25eth0]:80", "[fe80::1%eth0]:80; [fe80::1]:80", "[fe80::1%25eth0]:80; [fe80::1%2525eth0]:80"},
	{"passthrough:///[fe80::1%25eth0]:80", "[fe80::1%eth0]:80; [fe80::1]:80", "[fe80::1%eth0]:80; [fe80::1%25eth0]:80"},
	{"ipv4:1.2.3.4:80,5.6.7.8", "1.2.3.4:80,5.6.7.8:443; 1.2.3.4:80,5.6.7.8", failed},
	{"ipv4:1.2.3.4", "1.2.3.4:443; 1.2.3.4", "192.0.2.5:1.2.3.4; ipv4:1.2.3.4"},
	{"ipv6:[::1]:80", "[::1]:80; [::1]:80", failed},
}

func TestDifferent(t *testing.T) {
	fakeDNS(t)
	page, err := os.ReadFile("../../docs/guide/resolution.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range different {
		if n, g := naru(t, tt.target), grpcgo(t, tt.target); n != tt.naru || g != tt.grpcgo {
			t.Errorf("%q: naru %v, want %v; grpc-go %v, want %v", tt.target, n, tt.naru, g, tt.grpcgo)
		}
		if !strings.Contains(string(page), "`"+tt.target+"`") {
			t.Errorf("docs/guide/resolution.md does not say why %q is different", tt.target)
		}
	}
}

// TestComposed compares targets made of parts, but for what TestDifferent has.
func TestComposed(t *testing.T) {
	fakeDNS(t)
	rnd := rand.New(rand.NewPCG(3986, 1))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	for range 3000 {
		scheme := pick("", "dns:", "dns:/", "dns:///", "passthrough:", "passthrough:///", "unix:", "unix:///", "unix-abstract:", "DNS:///", "passthrough://a/", "unix://a/")
		host := pick("", "shop", "shop.example.com", "a-b_c", "%61bc", "1.2.3.4", "[::1]", "[1.2.3.4]", "[::1", "localhost", "shop.", "a b", "sh\u00f6p", "a,b", "[shop]")
		s := scheme + host + pick("", ":", ":1", ":443", ":0", ":65535", "::", ":1:2") + pick("", "", "", "?a=b", "#f", "/", "%", "%2")
		if excused(s, scheme, host) {
			continue
		}
		if n, g := naru(t, s), grpcgo(t, s); n != g {
			t.Errorf("%q: naru %v, grpc-go %v", s, n, g)
		}
	}
}

// excused reports whether a composed target has one of the differences.
func excused(s, scheme, host string) bool {
	opaque := strings.HasSuffix(scheme, ":") // nothing between scheme and name
	switch {
	case strings.Contains(s, "::") && !strings.Contains(host, "["): // an IPv6 address without brackets
		return true
	case opaque && strings.Contains(s, "%"): // escapes in a name behind the scheme
		return true
	case opaque && strings.HasPrefix(scheme, "unix") && (s == scheme || s[len(scheme)] == '?' || s[len(scheme)] == '#'): // no name
		return true
	case strings.HasPrefix(scheme, "passthrough") && strings.Contains(s[len(scheme):], "/"): // paths of sockets
		return true
	case strings.HasSuffix(s, "/") && strings.Contains(s, ":") && !strings.HasPrefix(scheme, "unix"): // a slash in a port
		return true
	}
	return false
}
