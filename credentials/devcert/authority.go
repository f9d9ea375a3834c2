package devcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// skew is how far in the past certificates begin, because the clocks of machines and
// containers differ.
const skew = 5 * time.Minute

// Authority is a certificate authority. It is immutable and safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority makes an authority with a new key. name is its common name, which people see in
// lists of certificates; lifetime, which must be positive, is how long it is valid from now.
func NewAuthority(name string, lifetime time.Duration) (*Authority, error) {
	template, key, err := prepare(name, lifetime)
	if err != nil {
		return nil, fmt.Errorf("devcert: new authority: %w", err)
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.MaxPathLenZero = true // signs leaves, no further authorities
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cert, err := sign(template, template, key, key)
	if err != nil {
		return nil, fmt.Errorf("devcert: new authority: %w", err)
	}
	return &Authority{cert, key}, nil
}

// LoadAuthority reads an authority from what CertPEM and KeyPEM returned.
func LoadAuthority(certPEM, keyPEM []byte) (*Authority, error) {
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("devcert: load authority: %w", err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("devcert: load authority: the key is a %T, not ECDSA", pair.PrivateKey)
	}
	if !pair.Leaf.IsCA {
		return nil, errors.New("devcert: load authority: the certificate is not an authority's")
	}
	return &Authority{pair.Leaf, key}, nil
}

// CertPEM returns the authority's certificate, which whoever is to trust it needs.
func (a *Authority) CertPEM() []byte { return certPEM(a.cert) }

// KeyPEM returns the authority's private key: who has it can pass for any server.
func (a *Authority) KeyPEM() ([]byte, error) { return keyPEM(a.key) }

// Pool returns a new pool of the authority's certificate alone, for tls.Config's RootCAs and
// ClientCAs.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// ClientConfig returns a new configuration of a client that trusts this authority alone, and
// that shows the given certificates, if any, to servers that ask (mutual TLS).
func (a *Authority) ClientConfig(own ...*Certificate) *tls.Config {
	c := &tls.Config{RootCAs: a.Pool(), MinVersion: tls.VersionTLS12}
	for _, cert := range own {
		c.Certificates = append(c.Certificates, cert.TLS)
	}
	return c
}

// A Request says what certificate is wanted.
type Request struct {
	// Name is the common name, for people. Empty: the first of Hosts.
	Name string
	// Hosts are the subject alternative names: DNS names ("localhost", "*.example.com"), IP
	// addresses, and URIs ("spiffe://example.com/shop"). A server's certificate needs at least one:
	// clients do not look at the common name (RFC 9525 §2).
	Hosts []string
	// Lifetime is how long it is valid from now; 0 means as long as its authority, and a
	// negative one makes a certificate that has expired already, for tests of that.
	Lifetime time.Duration
}

// Issue makes a certificate with a new key, fit for servers and for clients.
func (a *Authority) Issue(r Request) (*Certificate, error) {
	lifetime := r.Lifetime
	if lifetime == 0 {
		lifetime = time.Until(a.cert.NotAfter)
	}
	name := r.Name
	if name == "" && len(r.Hosts) > 0 {
		name = r.Hosts[0]
	}
	template, key, err := prepare(name, max(lifetime, 1))
	if err != nil {
		return nil, fmt.Errorf("devcert: issue %q: %w", name, err)
	}
	if lifetime < 0 {
		template.NotAfter = time.Now().Add(lifetime)
		template.NotBefore = template.NotAfter.Add(-time.Hour)
	}
	if err := addHosts(template, r.Hosts); err != nil {
		return nil, fmt.Errorf("devcert: issue %q: %w", name, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	cert, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return nil, fmt.Errorf("devcert: issue %q: %w", name, err)
	}
	return &Certificate{
		TLS: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert},
		key: key,
	}, nil
}

// prepare makes a key and what all templates have in common.
func prepare(name string, lifetime time.Duration) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if lifetime <= 0 {
		return nil, nil, fmt.Errorf("lifetime %v is not positive", lifetime)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	// RFC 5280 §4.1.2.2: a positive number of at most 20 octets; random, because two authorities
	// of the same name must not give out the same number.
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"development, do not trust"}},
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(lifetime),
	}, key, nil
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func certPEM(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("devcert: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
