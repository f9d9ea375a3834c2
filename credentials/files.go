package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"
)

// TLSFiles names PEM files of a TLS configuration. Its methods read them, once; the errors say which file is wrong, and
// what is wrong with it.
type TLSFiles struct {
	// Cert holds this side's certificate, followed by its intermediates, and Key its private key. Servers need both;
	// clients have both or none.
	Cert, Key string
	// CA holds the certificates of the authorities that the peer's certificate must be signed by. "": a client takes the
	// system's, and a server asks for no certificate. With CA, a server accepts only clients that have one.
	CA string
}

// ServerConfig reads the files for a server. It is an error if the certificate has expired, is not valid yet, or has no
// subject alternative names, without which no client accepts it.
func (f TLSFiles) ServerConfig() (*tls.Config, error) {
	if f.Cert == "" || f.Key == "" {
		return nil, errors.New("a server needs a certificate and its key: set Cert and Key")
	}
	cert, err := f.certificate()
	if err != nil {
		return nil, err
	}
	if leaf := cert.Leaf; len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.URIs)+len(leaf.EmailAddresses) == 0 {
		return nil, fmt.Errorf("certificate file %q (subject %q) has no subject alternative names (SAN), so that clients reject it; "+
			"make one with the DNS names or IP addresses by which clients reach the server", f.Cert, leaf.Subject)
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	if f.CA != "" {
		if cfg.ClientCAs, err = f.authorities(); err != nil {
			return nil, err
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cfg, nil
}

// ClientConfig reads the files for a client. It is an error if it has a certificate that has expired or is not valid yet.
func (f TLSFiles) ClientConfig() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if (f.Cert == "") != (f.Key == "") {
		return nil, errors.New("a certificate needs its key, and a key its certificate: set both Cert and Key, or none")
	}
	if f.Cert != "" {
		cert, err := f.certificate()
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	if f.CA != "" {
		var err error
		if cfg.RootCAs, err = f.authorities(); err != nil {
			return nil, err
		}
	}
	return cfg, nil
}

// certificate reads Cert and Key.
func (f TLSFiles) certificate() (tls.Certificate, error) {
	certPEM, err := readPEM("Cert", f.Cert, "CERTIFICATE")
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := readPEM("Key", f.Key, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return cert, fmt.Errorf("certificate file %q and key file %q do not go together: %w", f.Cert, f.Key, err)
	}
	if cert.Leaf == nil { // GODEBUG x509keypairleaf=0
		if cert.Leaf, err = x509.ParseCertificate(cert.Certificate[0]); err != nil {
			return cert, fmt.Errorf("certificate file %q: %w", f.Cert, err)
		}
	}
	switch now := time.Now(); {
	case now.After(cert.Leaf.NotAfter):
		return cert, fmt.Errorf("certificate file %q (subject %q) expired at %s", f.Cert, cert.Leaf.Subject, cert.Leaf.NotAfter.Format(time.RFC3339))
	case now.Before(cert.Leaf.NotBefore):
		return cert, fmt.Errorf("certificate file %q (subject %q) is not valid before %s", f.Cert, cert.Leaf.Subject, cert.Leaf.NotBefore.Format(time.RFC3339))
	}
	return cert, nil
}

// authorities reads CA.
func (f TLSFiles) authorities() (*x509.CertPool, error) {
	text, err := readPEM("CA", f.CA, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("CA %q: its certificates cannot be parsed", f.CA)
	}
	return pool, nil
}

// readPEM reads a file that must have a PEM block of one of the types.
func readPEM(field, file string, types ...string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	var found []string
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		for _, t := range types {
			if block.Type == t {
				return text, nil
			}
		}
		found = append(found, block.Type)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %q: no PEM block in the file; want one of type %s (-----BEGIN %s-----)", field, file, types[0], types[0])
	}
	return nil, fmt.Errorf("%s %q: the file has PEM blocks of type %q, want %s", field, file, found, types[0])
}
