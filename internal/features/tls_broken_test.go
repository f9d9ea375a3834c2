package features

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
)

// signer is a certificate with its key.
type signer struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func (s *signer) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(s.cert)
	return p
}

// issue makes a certificate, changed as wanted and signed by by; nil: by itself.
func issue(t *testing.T, name string, by *signer, change func(*x509.Certificate)) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	made := &signer{template, key}
	if by == nil {
		by = made
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.cert, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	if made.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return made
}

func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	c.ExtKeyUsage = nil
}

func usage(u x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
}

func expired(c *x509.Certificate) {
	c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
}

// Each kind of broken certificate is named on both ends: in the error of the client's call, and in
// the server's log.
func TestBrokenCertificates(t *testing.T) {
	ca, other := issue(t, "our authority", nil, authority), issue(t, "other authority", nil, authority)
	good := issue(t, "good", ca, nil)
	refused := "refused this server's certificate: its authority, dates, names or usage"
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }
	for _, tt := range []struct {
		name           string
		server, client *signer // nil: good, and none
		mutual         bool
		atClient       string
		atServer       string
	}{
		{"names in no SAN", issue(t, "localhost", ca, func(c *x509.Certificate) { c.IPAddresses = nil }), nil, false,
			`is not for "127.0.0.1" (it has a common name only, which is not looked at; it needs subject alternative names)`, refused},
		{"other name", issue(t, "x", ca, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"shop.example"} }), nil, false,
			`(it is for ["shop.example"])`, refused},
		{"expired", issue(t, "x", ca, expired), nil, false, "the server's certificate expired at ", refused},
		{"not yet valid", issue(t, "x", ca, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), nil, false,
			"is not valid before ", refused},
		{"unknown authority", issue(t, "x", other, nil), nil, false, `not trusted here (issuer "CN=other authority")`, refused},
		{"authority by name only", issue(t, "x", issue(t, "our authority", nil, authority), nil), nil, false, "not trusted here", refused},
		{"for clients only", issue(t, "x", ca, usage(x509.ExtKeyUsageClientAuth)), nil, false, "is not for servers", refused},
		{"signed by a leaf", issue(t, "x", good, nil), nil, false, "not trusted here", refused},
		{"signed with SHA-1", issue(t, "x", ca, sha1), nil, false, "SHA1", refused},
		{"no client certificate", nil, nil, true, "requires a client certificate, and this client showed none", "the client showed no certificate, which this server requires"},
		{"client of another authority", nil, issue(t, "x", other, nil), true, "its authority is not trusted there", `signed by an authority that is not trusted here (issuer \"CN=other authority\")`},
		{"client expired", nil, issue(t, "x", ca, expired), true, "it has expired, or is not valid yet, by the clock there", `the client's certificate (subject \"CN=x\") expired at `},
		{"client with a server's certificate", nil, issue(t, "x", ca, usage(x509.ExtKeyUsageServerAuth)), true, "refused this client's certificate", "is not for clients"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			own := tt.server
			if own == nil {
				own = good
			}
			cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}}}
			if tt.mutual {
				cfg.ClientCAs, cfg.ClientAuth = ca.pool(), tls.RequireAndVerifyClientCert
			}
			log := &signalLog{first: make(chan struct{})}
			at := listen(t, "tcp", "127.0.0.1:0", naru.WithTLS(cfg), naru.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			client := &tls.Config{RootCAs: ca.pool()}
			if c := tt.client; c != nil {
				pair := tls.Certificate{Certificate: [][]byte{c.cert.Raw}, PrivateKey: c.key}
				// Whatever authorities the server names, as a client with one certificate in its
				// configuration does not.
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
			}
			began := time.Now()
			err := ask(t, at, naru.WithTLS(client))
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the call failed after %v, want at once", took)
			}
			wantText(t, err, tt.atClient)
			waitLog(t, log, tt.atServer)
		})
	}
}

// waitLog waits until something was logged: the server's end of a connection may end after the
// client's.
func waitLog(t *testing.T, log *signalLog, want string) {
	t.Helper()
	select {
	case <-log.first:
	case <-time.After(10 * time.Second):
	}
	wantText(t, errText(log.String()), want)
}

// signalLog tells when something has been logged.
type signalLog struct {
	logBuffer
	once  sync.Once
	first chan struct{}
}

func (l *signalLog) Write(p []byte) (int, error) {
	defer l.once.Do(func() { close(l.first) })
	return l.logBuffer.Write(p)
}

type errText string

func (e errText) Error() string { return string(e) }
