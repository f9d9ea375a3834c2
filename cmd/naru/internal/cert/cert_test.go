package cert_test

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/clitest"
	"github.com/naru-rpc/naru/cmd/naru/internal/root"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

func TestScripts(t *testing.T) { clitest.Run(t, "testdata/script/*.txtar") }

// naru runs the command in dir, and returns what it printed and its exit code.
func naru(t *testing.T, dir string, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e strings.Builder
	env := &cli.Env{Stdin: strings.NewReader(""), Stdout: &o, Stderr: &e, Dir: dir, Getenv: func(string) string { return "" }}
	code = root.Main(t.Context(), env, args)
	return o.String(), e.String(), code
}

// What is made works on both sides, keys are private, and a second run keeps the authority.
func TestDevelopmentCertificates(t *testing.T) {
	dir := t.TempDir()
	if _, errs, code := naru(t, dir, "cert", "dev", "shop.test"); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	path := func(name string) string { return filepath.Join(dir, "certs", name) }
	for _, name := range []string{"ca-key.pem", "server-key.pem", "client-key.pem"} {
		if info, err := os.Stat(path(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want a file only its owner reads", name, info.Mode(), err)
		}
	}
	handshake := func() {
		t.Helper()
		server, err := credentials.TLSFiles{Cert: path("server.pem"), Key: path("server-key.pem"), CA: path("ca.pem")}.ServerConfig(nil)
		if err != nil {
			t.Fatal(err)
		}
		clients, err := credentials.TLSFiles{Cert: path("client.pem"), Key: path("client-key.pem"), CA: path("ca.pem")}.ClientConfigs(nil)
		if err != nil {
			t.Fatal(err)
		}
		addr := serve(t, server)
		cfg := clients().Clone()
		cfg.ServerName = "shop.test"
		c, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	handshake()
	ca, err := os.ReadFile(path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, code := naru(t, dir, "cert", "dev"); code != 1 {
		t.Errorf("a second run without --force: exit code %d, want 1", code)
	}
	if _, errs, code := naru(t, dir, "cert", "dev", "--force", "shop.test"); code != 0 {
		t.Fatalf("--force: exit code %d: %s", code, errs)
	}
	if again, err := os.ReadFile(path("ca.pem")); err != nil || string(again) != string(ca) {
		t.Errorf("the authority was replaced (%v)", err)
	}
	handshake()
}

// serve makes TLS handshakes.
func serve(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	lis, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			_ = nc.(*tls.Conn).Handshake()
			nc.Close()
		}
	}()
	t.Cleanup(func() { lis.Close(); <-done })
	return lis.Addr().String()
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	ca, err := devcert.NewAuthority("ours", 100*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := devcert.NewAuthority("other", 100*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string, texts ...[]byte) {
		t.Helper()
		var all []byte
		for _, text := range texts {
			all = append(all, text...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), all, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made := func(r devcert.Request) (cert, key []byte) {
		t.Helper()
		c, err := ca.Issue(r)
		if err != nil {
			t.Fatal(err)
		}
		if key, err = c.KeyPEM(); err != nil {
			t.Fatal(err)
		}
		return c.CertPEM(), key
	}
	goodCert, goodKey := made(devcert.Request{Hosts: []string{"shop.test"}})
	otherCert, otherKey := made(devcert.Request{Hosts: []string{"other.test"}})
	expired, _ := made(devcert.Request{Hosts: []string{"shop.test"}, Lifetime: -time.Hour})
	brief, _ := made(devcert.Request{Hosts: []string{"shop.test"}, Lifetime: 24 * time.Hour})
	bare, _ := made(devcert.Request{Name: "shop.test"})
	wild, _ := made(devcert.Request{Hosts: []string{"a.*.test"}})
	file("ca.pem", ca.CertPEM())
	file("other-ca.pem", other.CertPEM())
	file("good.pem", goodCert, goodKey)
	file("pair.pem", goodCert, otherKey)
	file("chain.pem", goodCert, ca.CertPEM())
	file("order.pem", goodCert, otherCert)
	file("expired.pem", expired)
	file("brief.pem", brief)
	file("bare.pem", bare)
	file("wild.pem", wild)
	file("cut.pem", goodCert, goodCert[:100])
	file("junk.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	file("empty.pem")
	for _, tt := range []struct {
		args string
		code int
		says string
	}{
		{"good.pem", 0, "valid for 99 days"},
		{"good.pem --name shop.test --ca ca.pem", 0, "it is for shop.test"},
		{"good.pem --name x.test", 1, "it is not for x.test; its names: shop.test"},
		{"good.pem --ca other-ca.pem", 1, "is neither in the chain nor among them"},
		{"chain.pem --ca ca.pem", 0, `the chain leads to`},
		{"order.pem", 0, "1 is not signed by 2"},
		{"pair.pem", 1, "the private key does not belong to the first certificate"},
		{"expired.pem", 1, "it expired on"},
		{"brief.pem", 0, "it is valid for 24h0m0s"},
		{"bare.pem", 0, "no subject alternative names"},
		{"wild.pem", 1, "matches nothing"},
		{"cut.pem", 1, "1 of 2 PEM blocks are damaged"},
		{"junk.pem", 1, "block 1 (CERTIFICATE) cannot be read"},
	} {
		out, errs, code := naru(t, dir, append([]string{"cert", "inspect"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit code %d, want %d and %q in\n%s%s", tt.args, code, tt.code, tt.says, out, errs)
		}
	}
	out, _, _ := naru(t, dir, "cert", "inspect", "good.pem", "-o", "json")
	var parsed struct{ Certificates []struct{ Names []string } }
	if err := json.Unmarshal([]byte(out), &parsed); err != nil || len(parsed.Certificates) != 1 || parsed.Certificates[0].Names[0] != "shop.test" {
		t.Errorf("JSON (%v):\n%s", err, out)
	}
	live(t, dir, ca, other)
}

// live inspects servers.
func live(t *testing.T, dir string, ca, other *devcert.Authority) {
	t.Helper()
	own, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := own.ServerConfig()
	cfg.NextProtos = []string{"h2"}
	addr := serve(t, cfg)
	out, errs, code := naru(t, dir, "cert", "inspect", addr, "--ca", "ca.pem")
	if code != 0 || !strings.Contains(out, "it is for 127.0.0.1") || !strings.Contains(out, `ALPN "h2"`) {
		t.Errorf("a server: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = naru(t, dir, "cert", "inspect", addr, "--ca", "other-ca.pem"); code != 1 || !strings.Contains(out, "neither in the chain") {
		t.Errorf("another authority: exit code %d\n%s%s", code, out, errs)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc, err := lis.Accept(); err == nil {
			_, _ = nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_, _ = nc.Read(make([]byte, 1))
			nc.Close()
		}
	}()
	if _, errs, code = naru(t, dir, "cert", "inspect", lis.Addr().String()); code != 1 || !strings.Contains(errs, "does not speak TLS") {
		t.Errorf("a server in plaintext: exit code %d\n%s", code, errs)
	}
	lis.Close()
	<-done
}

func FuzzInspect(f *testing.F) {
	ca, err := devcert.NewAuthority("ours", time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(ca.CertPEM()))
	f.Add("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		var out, errs strings.Builder
		env := &cli.Env{Stdin: strings.NewReader(text), Stdout: &out, Stderr: &errs, Dir: t.TempDir(), Getenv: func(string) string { return "" }}
		code := root.Main(t.Context(), env, []string{"cert", "inspect", "-", "--name", "x"})
		if code != 0 && code != 1 || code == 1 && out.Len()+errs.Len() == 0 {
			t.Errorf("exit code %d\n%s%s", code, out.String(), errs.String())
		}
	})
}
