package credentials

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/internal/memnet"
)

// age sets when a file was last written to, in the time of the test's bubble.
func (c *certFiles) age(name string, ago time.Duration) {
	c.t.Helper()
	at := time.Now().Add(-ago)
	if err := os.Chtimes(filepath.Join(c.dir, name), at, at); err != nil {
		c.t.Fatal(err)
	}
}

// shake makes a handshake and sends a byte, so that the client has read the session tickets and the
// server's verdict.
func shake(client, server *tls.Config) (state tls.ConnectionState, err error) {
	a, b := memnet.Pipe(1 << 16)
	defer a.Close()
	defer b.Close()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(b, server)
		_, err := s.Write([]byte("x"))
		if err != nil {
			b.Close()
		}
		done <- err
	}()
	cc := tls.Client(a, client)
	_, err = cc.Read(make([]byte, 1))
	state = cc.ConnectionState()
	if err != nil {
		a.Close()
	}
	return state, errors.Join(err, <-done)
}

// serial is the number of the certificate a server shows.
func serial(t *testing.T, client, server *tls.Config) string {
	t.Helper()
	state, err := shake(client, server)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

func (c *certFiles) clientConfig() *tls.Config {
	cfg := c.ca.ClientConfig()
	cfg.ServerName = "localhost"
	return cfg
}

type reports struct {
	mu   sync.Mutex
	errs []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// take returns what was reported since the last call.
func (r *reports) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := fmt.Sprint(r.errs)
	r.errs = nil
	return text
}

func TestServerFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		cert, key := c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		var rep reports
		cfg, err := TLSFiles{Cert: cert, Key: key}.ServerConfig(rep.add)
		if err != nil {
			t.Fatal(err)
		}
		first := serial(t, c.clientConfig(), cfg)

		c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		c.age("server.pem", 0)
		c.age("server-key.pem", 0)
		time.Sleep(lookInterval)
		if got := serial(t, c.clientConfig(), cfg); got != first {
			t.Error("files written half a second ago are used: whoever writes them may not have finished")
		}
		time.Sleep(settleTime)
		second := serial(t, c.clientConfig(), cfg)
		if second == first {
			t.Error("changed files are not used")
		}
		if got := rep.take(); got != "[<nil>]" {
			t.Errorf("reported %s, want one success", got)
		}
	})
}

// Times of other machines' clocks are of no use: what is the same at two looks is taken.
func TestServerFilesFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		cert, key := c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		cfg, err := TLSFiles{Cert: cert, Key: key}.ServerConfig(nil)
		if err != nil {
			t.Fatal(err)
		}
		first := serial(t, c.clientConfig(), cfg)
		c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		c.age("server.pem", -time.Hour)
		time.Sleep(lookInterval)
		if got := serial(t, c.clientConfig(), cfg); got != first {
			t.Error("used at the first look")
		}
		time.Sleep(lookInterval)
		if got := serial(t, c.clientConfig(), cfg); got == first {
			t.Error("not used at the second look")
		}
	})
}

func TestFilesThatCannotBeUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		cert, key := c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		newCert, newKey := c.issue("new", devcert.Request{Hosts: []string{"localhost"}})
		oldCert, oldKey := c.issue("old", devcert.Request{Hosts: []string{"localhost"}, Lifetime: -time.Minute})
		whole := func(name string) []byte {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		var rep reports
		cfg, err := TLSFiles{Cert: cert, Key: key, CA: filepath.Join(c.dir, "ca.pem"), OptionalClientCert: true}.ServerConfig(rep.add)
		if err != nil {
			t.Fatal(err)
		}
		first := serial(t, c.clientConfig(), cfg)
		firstCert, firstKey, ca := whole(cert), whole(key), c.ca.CertPEM()
		for _, tt := range []struct {
			name          string
			cert, key, ca []byte
			want          string
		}{
			{"new certificate, old key", whole(newCert), firstKey, ca, "do not go together"},
			{"cut certificate", whole(newCert)[:100], whole(newKey), ca, "lacks its end"},
			{"cut authorities", firstCert, firstKey, append(ca, ca[:200]...), "lacks its end"},
			{"empty", nil, firstKey, ca, "no PEM block"},
			{"expired", whole(oldCert), whole(oldKey), ca, "expired at"},
		} {
			c.write("server.pem", tt.cert)
			c.write("server-key.pem", tt.key)
			c.write("ca.pem", tt.ca)
			for range 4 { // the error is reported once
				time.Sleep(settleTime)
				if got := serial(t, c.clientConfig(), cfg); got != first {
					t.Errorf("%s: used", tt.name)
				}
			}
			if got := rep.take(); strings.Count(got, tt.want) != 1 || !strings.Contains(got, errKept.Error()) {
				t.Errorf("%s: reported %s, want %q once", tt.name, got, tt.want)
			}
		}
		c.write("server.pem", whole(newCert))
		c.write("server-key.pem", whole(newKey))
		c.write("ca.pem", ca)
		for range 3 {
			time.Sleep(settleTime)
			serial(t, c.clientConfig(), cfg)
		}
		if got := serial(t, c.clientConfig(), cfg); got == first {
			t.Error("good files are not used after bad ones")
		}
	})
}

// Kubernetes replaces a volume's files by one symbolic link; times and sizes may stay as they were.
func TestSymbolicLinkIsSwapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		at := time.Now().Add(-time.Hour)
		version := func(name string) {
			dir := filepath.Join(c.dir, name)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			cert, key := c.issue(name+"/tls", devcert.Request{Hosts: []string{"localhost"}})
			for _, f := range []string{cert, key} {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f, append(text, make([]byte, 2000-len(text))...), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(f, at, at); err != nil {
					t.Fatal(err)
				}
			}
			link := filepath.Join(c.dir, "..data_tmp")
			if err := errors.Join(os.Symlink(name, link), os.Rename(link, filepath.Join(c.dir, "..data"))); err != nil {
				t.Fatal(err)
			}
		}
		version("v1")
		cfg, err := TLSFiles{Cert: filepath.Join(c.dir, "..data", "tls.pem"), Key: filepath.Join(c.dir, "..data", "tls-key.pem")}.ServerConfig(nil)
		if err != nil {
			t.Fatal(err)
		}
		first := serial(t, c.clientConfig(), cfg)
		version("v2")
		time.Sleep(lookInterval)
		if got := serial(t, c.clientConfig(), cfg); got == first {
			t.Error("the new version is not used at once, though it is whole")
		}
	})
}

// mutual is a server's and a client's side with a certificate each, of one authority.
func (c *certFiles) mutual(server *TLSFiles) (client *tls.Config) {
	c.t.Helper()
	server.Cert, server.Key = c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
	server.CA = filepath.Join(c.dir, "ca.pem")
	own, err := c.ca.Issue(devcert.Request{Name: "client", Hosts: []string{"spiffe://example.com/client"}})
	if err != nil {
		c.t.Fatal(err)
	}
	cfg := c.clientConfig()
	cfg.Certificates = []tls.Certificate{own.TLS}
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	return cfg
}

func TestSessionsEndWithTheirAuthority(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		var files TLSFiles
		client := c.mutual(&files)
		cfg, err := files.ServerConfig(nil)
		if err != nil {
			t.Fatal(err)
		}
		shakeWell(t, client, cfg, false)
		shakeWell(t, client, cfg, true)

		other := newCertFiles(t)
		c.write("ca.pem", other.ca.CertPEM())
		c.age("ca.pem", settleTime*2)
		time.Sleep(lookInterval)
		if state, err := shake(client, cfg); err == nil {
			t.Errorf("a client of the authority that was taken away is served (session resumed: %v)", state.DidResume)
		}
	})
}

// Tickets are understood for days, and none after the certificate was replaced.
func TestSessionsEndWithTheirCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		var err error
		if c.ca, err = devcert.NewAuthority("lasting", 100*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		cert, key := c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		cfg, err := TLSFiles{Cert: cert, Key: key}.ServerConfig(nil)
		if err != nil {
			t.Fatal(err)
		}
		client := c.clientConfig()
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		shakeWell(t, client, cfg, false)
		for day := range 3 {
			time.Sleep(ticketKeyTime)
			state, err := shake(client, cfg)
			if err != nil || !state.DidResume {
				t.Fatalf("day %d: session resumed: %v (%v)", day, state.DidResume, err)
			}
		}
		c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		c.age("server.pem", settleTime*2)
		c.age("server-key.pem", settleTime*2)
		time.Sleep(lookInterval)
		shakeWell(t, client, cfg, false)
	})
}

func shakeWell(t *testing.T, client, server *tls.Config, resumed bool) {
	t.Helper()
	state, err := shake(client, server)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	if state.DidResume != resumed {
		t.Errorf("session resumed: %v, want %v", state.DidResume, resumed)
	}
}

func TestRevokedCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCertFiles(t)
		files := TLSFiles{CRL: c.revoke("none.pem")}
		client := c.mutual(&files)
		cfg, err := files.ServerConfig(nil)
		if err != nil {
			t.Fatal(err)
		}
		shakeWell(t, client, cfg, false)
		shakeWell(t, client, cfg, true)
		c.revoke("none.pem", client.Certificates[0].Leaf.SerialNumber)
		c.age("none.pem", settleTime*2)
		time.Sleep(lookInterval)
		_, err = shake(client, cfg)
		wantError(t, "resumed session of a revoked certificate", err, "was revoked at")
		client.ClientSessionCache = nil
		_, err = shake(client, cfg)
		wantError(t, "revoked certificate", err, "was revoked at")
	})
}

// revoke writes a list of the authority's revoked certificates.
func (c *certFiles) revoke(name string, serials ...*big.Int) string {
	c.t.Helper()
	keyPEM, err := c.ca.KeyPEM()
	if err != nil {
		c.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.ca.CertPEM(), keyPEM)
	if err != nil {
		c.t.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		c.t.Fatal(err)
	}
	issuer.KeyUsage |= x509.KeyUsageCRLSign
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}
	for _, s := range serials {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: s, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, issuer, pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		c.t.Fatal(err)
	}
	return c.write(name, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
}

func TestClientFilesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, other := newCertFiles(t), newCertFiles(t)
		server, err := other.ca.Issue(devcert.Request{Hosts: []string{"localhost"}})
		if err != nil {
			t.Fatal(err)
		}
		configs, err := TLSFiles{CA: filepath.Join(c.dir, "ca.pem")}.ClientConfigs(nil)
		if err != nil {
			t.Fatal(err)
		}
		dial := func() error {
			cfg := configs().Clone()
			cfg.ServerName = "localhost"
			_, err := shake(cfg, server.ServerConfig())
			return err
		}
		wantError(t, "other authority", dial(), "unknown authority")
		c.write("ca.pem", append(c.ca.CertPEM(), other.ca.CertPEM()...))
		c.age("ca.pem", settleTime*2)
		time.Sleep(lookInterval)
		if err := dial(); err != nil {
			t.Errorf("an authority that was added: %v", err)
		}
	})
}

func TestFilesChangeUnderLoad(t *testing.T) {
	c := newCertFiles(t)
	cert, key := c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
	cfg, err := TLSFiles{Cert: cert, Key: key}.ServerConfig(nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := shake(c.clientConfig(), cfg); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 20 {
		c.issue("server", devcert.Request{Hosts: []string{"localhost"}})
		c.age("server.pem", time.Hour)
		c.age("server-key.pem", time.Hour)
	}
	close(stop)
	wg.Wait()
}

func TestCertificatesNobodyTakes(t *testing.T) {
	c := newCertFiles(t)
	for _, tt := range []struct {
		name           string
		change         func(*x509.Certificate)
		server, client string
	}{
		{"not yet valid", func(x *x509.Certificate) { x.NotBefore = time.Now().Add(time.Minute) }, "not valid before", "not valid before"},
		{"for clients", func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, `lacks "server authentication"`, ""},
		{"for servers", func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }, "", `lacks "client authentication"`},
		{"for anything", func(x *x509.Certificate) { x.ExtKeyUsage = nil }, "", ""},
	} {
		cert, key := c.selfSigned(tt.change)
		_, err := TLSFiles{Cert: cert, Key: key}.ServerConfig(nil)
		wantError(t, tt.name+", server", err, tt.server)
		_, err = TLSFiles{Cert: cert, Key: key}.ClientConfigs(nil)
		wantError(t, tt.name+", client", err, tt.client)
	}
}

func (c *certFiles) selfSigned(change func(*x509.Certificate)) (cert, key string) {
	c.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour),
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		c.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.write("self.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		c.write("self-key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}
