package credentials

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/credentials/devcert"
)

// certFiles are PEM files of one authority and of certificates it issued.
type certFiles struct {
	t   *testing.T
	dir string
	ca  *devcert.Authority
}

func newCertFiles(t *testing.T) *certFiles {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := &certFiles{t, t.TempDir(), ca}
	c.write("ca.pem", ca.CertPEM())
	return c
}

func (c *certFiles) write(name string, text []byte) string {
	c.t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// issue writes a certificate and its key.
func (c *certFiles) issue(name string, r devcert.Request) (cert, key string) {
	c.t.Helper()
	made, err := c.ca.Issue(r)
	if err != nil {
		c.t.Fatal(err)
	}
	keyPEM, err := made.KeyPEM()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.write(name+".pem", made.CertPEM()), c.write(name+"-key.pem", keyPEM)
}

func TestTLSFiles(t *testing.T) {
	c := newCertFiles(t)
	ca := filepath.Join(c.dir, "ca.pem")
	cert, key := c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
	_, otherKey := c.issue("other", devcert.Request{Hosts: []string{"localhost"}})
	oldCert, oldKey := c.issue("old", devcert.Request{Hosts: []string{"localhost"}, Lifetime: -time.Hour})
	bareCert, bareKey := c.issue("bare", devcert.Request{Name: "common-name"})
	empty, missing := c.write("empty.pem", nil), filepath.Join(c.dir, "missing.pem")
	broken := c.write("broken.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	for _, tt := range []struct {
		name           string
		files          TLSFiles
		server, client string // parts of the errors, "" for none
	}{
		{"nothing", TLSFiles{}, "set Cert and Key", ""},
		{"authority", TLSFiles{CA: ca}, "set Cert and Key", ""},
		{"certificate", TLSFiles{Cert: cert, Key: key}, "", ""},
		{"mutual", TLSFiles{Cert: cert, Key: key, CA: ca}, "", ""},
		{"no key", TLSFiles{Cert: cert}, "set Cert and Key", "set both Cert and Key, or none"},
		{"no such file", TLSFiles{Cert: missing, Key: key}, `Cert: open ` + missing + `: no such file`, `no such file`},
		{"no such authority", TLSFiles{Cert: cert, Key: key, CA: missing}, "CA: open", "CA: open"},
		{"wrong key", TLSFiles{Cert: cert, Key: otherKey}, "do not go together", "private key does not match public key"},
		{"swapped", TLSFiles{Cert: key, Key: cert}, `blocks of type ["PRIVATE KEY"], want CERTIFICATE`, "want CERTIFICATE"},
		{"certificate as key", TLSFiles{Cert: cert, Key: cert}, `blocks of type ["CERTIFICATE"], want PRIVATE KEY`, "want PRIVATE KEY"},
		{"empty", TLSFiles{Cert: empty, Key: key}, "no PEM block", "no PEM block"},
		{"expired", TLSFiles{Cert: oldCert, Key: oldKey}, "expired at", "expired at"},
		{"no alternative names", TLSFiles{Cert: bareCert, Key: bareKey}, "no subject alternative names (SAN)", ""},
		{"broken authority", TLSFiles{Cert: cert, Key: key, CA: broken}, "cannot be parsed", "cannot be parsed"},
	} {
		_, err := tt.files.ServerConfig(nil)
		wantError(t, tt.name+", server", err, tt.server)
		_, err = tt.files.ClientConfigs(nil)
		wantError(t, tt.name+", client", err, tt.client)
	}
}

func wantError(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: got %v, want no error", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got %v, want an error with %q", name, err, want)
	}
}
