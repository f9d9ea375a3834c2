package features

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/narutest"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// folder is a folder of PEM files that are replaced while they are used.
type folder struct {
	t   *testing.T
	dir string
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// put replaces a file by a rename, as tools that rotate certificates do.
func (f folder) put(name string, text []byte) {
	f.t.Helper()
	part := f.path(name + ".part")
	if err := os.WriteFile(part, text, 0o600); err != nil {
		f.t.Fatal(err)
	}
	at := time.Now() // of the bubble
	if err := os.Chtimes(part, at, at); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(part, f.path(name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f folder) issue(ca *devcert.Authority, name string) {
	f.t.Helper()
	cert, err := ca.Issue(devcert.Request{Name: name, Hosts: []string{"server"}})
	if err != nil {
		f.t.Fatal(err)
	}
	key, err := cert.KeyPEM()
	if err != nil {
		f.t.Fatal(err)
	}
	f.put(name+".key", key)
	f.put(name+".pem", cert.CertPEM())
}

func newAuthority(t *testing.T, name string) *devcert.Authority {
	t.Helper()
	ca, err := devcert.NewAuthority(name, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// The server's certificate, the client's, and the authority of both (old and new overlapping) are
// replaced under 1,000 calls a second on connections that are half a second old at most: no call
// fails, and what is new is in use within two seconds.
func TestRotationUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folder{t, t.TempDir()}
		old := newAuthority(t, "old")
		f.put("ca.pem", old.CertPEM())
		f.issue(old, "server")
		f.issue(old, "client")
		files := func(name string) credentials.TLSFiles {
			return credentials.TLSFiles{Cert: f.path(name + ".pem"), Key: f.path(name + ".key"), CA: f.path("ca.pem")}
		}
		load := newRotating(t, files("server"), files("client"))
		seen := func() string { return *load.server.Load() + " / " + *load.client.Load() }
		time.Sleep(time.Second)
		before := seen()
		changed := func(step string) string {
			t.Helper()
			time.Sleep(2 * time.Second)
			now := seen()
			if now == before {
				t.Errorf("%s: the old certificates are in use after 2 s: %s", step, now)
			}
			return now
		}
		f.issue(old, "server")
		before = changed("server's certificate")
		f.issue(old, "client")
		before = changed("client's certificate")
		next := newAuthority(t, "next")
		f.put("ca.pem", append(old.CertPEM(), next.CertPEM()...))
		time.Sleep(2 * time.Second)
		f.issue(next, "server")
		f.issue(next, "client")
		before = changed("certificates of the next authority")
		f.put("ca.pem", next.CertPEM())
		time.Sleep(2 * time.Second)
		made, failed := load.end()
		if failed > 0 || made < 8000 {
			t.Errorf("%d of %d calls failed, want 0 of 8,000 or more", failed, made)
		}
		if got := authorityOf(*load.server.Load()) + " " + authorityOf(*load.client.Load()); got != "next next" {
			t.Errorf("at the end: %s, want certificates of the next authority on both sides", seen())
		}
	})
}

// rotating is 1,000 calls a second on connections that are half a second old at most, in a bubble.
type rotating struct {
	t              *testing.T
	server, client atomic.Pointer[string] // the authority and number of the certificate each side showed last
	made, failed   atomic.Int64
	calls          sync.WaitGroup
	stop           context.CancelFunc
	srv            *naru.Server
	c              *naru.Client
}

func newRotating(t *testing.T, server, client credentials.TLSFiles) *rotating {
	t.Helper()
	r := &rotating{t: t}
	network := narutest.NewNetwork()
	var err error
	if r.srv, err = naru.NewServer(naru.WithLogger(quiet), naru.WithTLSFiles(server),
		naru.WithKeepalive(naru.Keepalive{MaxConnectionAge: 500 * time.Millisecond, MaxConnectionAgeGrace: 10 * time.Second})); err != nil {
		t.Fatal(err)
	}
	b := &backend{name: "rotating"}
	b.does(func(ctx context.Context, _ string) (string, error) {
		p, _ := naru.PeerFromContext(ctx)
		r.client.Store(new(certText(p.TLS)))
		return "", nil
	})
	r.srv.RegisterService(b.desc())
	lis, err := network.Listen("server")
	if err != nil {
		t.Fatal(err)
	}
	go r.srv.Serve(lis)
	if r.c, err = naru.NewClient("passthrough:///server", naru.WithTLSFiles(client), naru.WithDialer(network.Dial)); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	for range 10 {
		r.calls.Go(func() {
			for ctx.Err() == nil {
				r.call()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	return r
}

func (r *rotating) call() {
	var p naru.Peer
	err := r.c.Invoke(context.Background(), idempotent, wrapperspb.String("q"), new(text), naru.CapturePeer(&p))
	n := r.made.Add(1)
	if err == nil {
		r.server.Store(new(certText(p.TLS)))
	} else if r.failed.Add(1) == 1 {
		r.t.Errorf("call %d: %v", n, err)
	}
}

// end stops the load, and returns how many calls were made and how many failed.
func (r *rotating) end() (made, failed int64) {
	r.stop()
	r.calls.Wait()
	_ = r.c.Close()
	_ = r.srv.Close()
	return r.made.Load(), r.failed.Load()
}

func certText(state *tls.ConnectionState) string {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "none"
	}
	leaf := state.PeerCertificates[0]
	return fmt.Sprintf("%s %x", leaf.Issuer.CommonName, leaf.SerialNumber)
}

func authorityOf(text string) (name string) {
	fmt.Sscan(text, &name)
	return name
}

// A revoked certificate is refused, whichever side has it.
func TestRevokedServer(t *testing.T) {
	f := folder{t, t.TempDir()}
	ca := issue(t, "authority", nil, authority)
	own := issue(t, "server", ca, nil)
	crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{{SerialNumber: own.cert.SerialNumber, RevocationTime: time.Now()}},
	}, ca.cert, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	f.put("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
	f.put("revoked.crl", crl)
	addr := listen(t, "tcp", "127.0.0.1:0", naru.WithTLS(&tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}},
	}))
	if err := ask(t, addr, naru.WithTLSFiles(credentials.TLSFiles{CA: f.path("ca.pem")})); err != nil {
		t.Errorf("without a list: %v", err)
	}
	wantText(t, ask(t, addr, naru.WithTLSFiles(credentials.TLSFiles{CA: f.path("ca.pem"), CRL: f.path("revoked.crl")})), "was revoked at")
}

// A client's function is asked for each connection.
func TestTLSFunc(t *testing.T) {
	ca, cert := devCert(t)
	addr := listen(t, "tcp", "127.0.0.1:0", naru.WithTLS(cert.ServerConfig()))
	var asked atomic.Int64
	config := func() *tls.Config {
		if asked.Add(1) == 1 {
			return nil // the system's authorities, which do not know the server's
		}
		return ca.ClientConfig()
	}
	c, err := naru.NewClient(addr, naru.WithTLSFunc(config))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantText(t, c.Invoke(t.Context(), idempotent, wrapperspb.String("q"), new(text), naru.WithTimeout(10*time.Second)), "not trusted")
	if err := c.Invoke(t.Context(), idempotent, wrapperspb.String("q"), new(text), naru.WaitForReady(true), naru.WithTimeout(10*time.Second)); err != nil {
		t.Errorf("the second configuration: %v", err)
	}
	_, err = naru.NewClient(addr, naru.WithTLSFunc(nil))
	wantText(t, err, "WithTLSFunc: the function is nil")
}

// A client that need not have a certificate may, and a bad one is not taken for none.
func TestOptionalClientCertificate(t *testing.T) {
	f := folder{t, t.TempDir()}
	ca, other := newAuthority(t, "ours"), newAuthority(t, "other")
	f.put("ca.pem", ca.CertPEM())
	server, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	key, err := server.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	f.put("server.pem", server.CertPEM())
	f.put("server.key", key)
	addr := listen(t, "tcp", "127.0.0.1:0", naru.WithTLSFiles(credentials.TLSFiles{
		Cert: f.path("server.pem"), Key: f.path("server.key"), CA: f.path("ca.pem"), OptionalClientCert: true,
	}))
	f.issue(ca, "client")
	f.issue(other, "stranger")
	for name, want := range map[string]string{"": "", "client": "", "stranger": "not trusted there"} {
		client := ca.ClientConfig()
		if name != "" {
			pair, err := tls.LoadX509KeyPair(f.path(name+".pem"), f.path(name+".key"))
			if err != nil {
				t.Fatal(err)
			}
			// Shown whatever authorities the server names.
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		err := ask(t, addr, naru.WithTLS(client))
		if want == "" && err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if want != "" {
			wantText(t, err, want)
		}
	}
}
