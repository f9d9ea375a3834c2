package features

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/resolver"
)

// TestTargetForms: each form a target may have, on sockets of the operating system.
func TestTargetForms(t *testing.T) {
	addr := listen(t, "tcp", "127.0.0.1:0")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sock := filepath.Join(dir, "a b.sock")
	listen(t, "unix", sock)
	list := filepath.Join(dir, "list")
	write(t, list, addr+" weight=2\n")
	targets := []string{
		addr, "localhost:" + port, ":" + port, "dns:" + addr, "dns:///" + addr, "DNS:///" + addr, "dns:///localhost:" + port,
		"passthrough:" + addr, "passthrough:///" + addr, "passthrough:///localhost:" + port,
		"ipv4:" + addr, "ipv4:127.0.0.1:1," + addr,
		"unix:" + sock, "unix://" + sock, "unix://" + strings.ReplaceAll(sock, " ", "%20"), "passthrough:///" + sock,
		"file:" + list, "file://" + list, "file://" + list + "?authority=shop",
	}
	if runtime.GOOS == "linux" {
		abstract := "naru-features-" + port
		listen(t, "unix", "@"+abstract)
		targets = append(targets, "unix-abstract:"+abstract)
	}
	if lis, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		lis.Close()
		_, port6, _ := net.SplitHostPort(listen(t, "tcp6", "[::1]:0"))
		targets = append(targets, "[::1]:"+port6, "ipv6:[::1]:"+port6, "dns:///[::1]:"+port6)
		if _, err := net.ResolveTCPAddr("tcp", "[::1%lo]:1"); err == nil && runtime.GOOS == "linux" {
			targets = append(targets, "[::1%lo]:"+port6, "[::1%25lo]:"+port6, "ipv6:[::1%lo]:"+port6, "passthrough:///[::1%lo]:"+port6, "dns:///[::1%25lo]:"+port6)
		}
	}
	given := naru.WithResolvers(resolver.DNS(resolver.DNSOptions{}), resolver.Passthrough(), resolver.Unix(), resolver.UnixAbstract(),
		resolver.IPv4(), resolver.IPv6(), resolver.File(resolver.FileOptions{}))
	for _, target := range targets {
		if err := ask(t, target, naru.WithPlaintext()); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		if err := ask(t, target, naru.WithPlaintext(), given); err != nil {
			t.Errorf("%s, resolvers given: %v", target, err)
		}
	}
}

// TestWrongTargets: the error of NewClient says what is wrong, in a line.
func TestWrongTargets(t *testing.T) {
	for target, want := range map[string]string{
		"":                        "it is empty",
		"nosuch://a/b":            `no resolver for scheme "nosuch"`,
		"dns:///a:b:c":            "too many colons",
		"dns:///shop:":            "nothing after the colon",
		"dns:///a%zz":             "invalid URL escape",
		"unix:":                   "no path",
		"unix://host/x":           "no authority",
		"unix-abstract://host/x":  "no authority",
		"ipv4:[::1]:1":            "not an ipv4 address",
		"ipv6:1.2.3.4":            "not an ipv6 address",
		"passthrough:///":         "no address",
		"file://host/x":           "no authority",
		"dns:///_a._b.shop:1":     "SRV",
		strings.Repeat("a", 1000): "DNS names have at most",
		"ipv4:" + strings.Repeat("1.2.3.4,", 3000) + "x": "not an ipv4 address",
	} {
		_, err := naru.NewClient(target)
		wantText(t, err, want)
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("%.40s: an error of %d bytes, want a line", target, len(err.Error()))
		}
	}
}

// TestAuthorityOfTargets: what calls carry as :authority; a zone means something on this machine
// alone (RFC 6874 §4).
func TestAuthorityOfTargets(t *testing.T) {
	for target, authority := range map[string]string{
		"dns:///[fe80::1%25eth0]:80": "[fe80::1]:80", "[fe80::1%eth0]:80": "[fe80::1]:80",
		"ipv6:[fe80::1%eth0]:80": "[fe80::1]:80", "ipv4:1.2.3.4:80": "1.2.3.4:80", "unix:/a": "localhost", "unix-abstract:a": "localhost",
	} {
		virtual(t, func(t *testing.T, fl *fleet) {
			var got []string
			fl.bs[0].does(func(ctx context.Context, _ string) (string, error) {
				md, _ := metadata.FromIncomingContext(ctx)
				got = md.Get(":authority")
				return "a", nil
			})
			anywhere := func(ctx context.Context, network, _ string) (net.Conn, error) { return fl.dial(ctx, network, "a") }
			want(t, fl.clientOf(target, naru.WithDialer(anywhere)))
			if len(got) != 1 || got[0] != authority {
				t.Errorf("%s: calls carry the authority %q, want %q", target, got, authority)
			}
		}, "a")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
