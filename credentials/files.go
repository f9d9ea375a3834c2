package credentials

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// TLSFiles names the files of a TLS configuration, which are read again when they change: see
// [TLSFiles.ServerConfig]. Errors say which file is wrong, and what is wrong with it. All but CRL
// are PEM.
type TLSFiles struct {
	// Cert holds this side's certificate, followed by its intermediates, and Key its private key.
	// Servers need both; clients have both or none.
	Cert, Key string
	// CA holds the certificates of the authorities that the peer's certificate must be signed by.
	// "": a client takes the system's, and a server asks for no certificate. With CA, a server
	// accepts only clients that have one.
	CA string
	// CRL holds revocation lists (RFC 5280 §5), in PEM or a single one in DER. A peer whose
	// certificate, or whose intermediate's, is on a list of its issuer is refused, with a resumed
	// session too. Certificates of issuers without a list are accepted, and a list past its next
	// update goes on to count. "": nothing is revoked.
	CRL string
	// OptionalClientCert makes a server with CA accept clients without a certificate; one that is
	// given must be valid all the same. Whether a call has one, a handler sees in the call's peer.
	OptionalClientCert bool
}

// paths returns the files that are set.
func (f TLSFiles) paths() (paths []string) {
	for _, path := range []string{f.Cert, f.Key, f.CA, f.CRL} {
		if path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}

// check finds combinations that mean nothing.
func (f TLSFiles) check(server bool) error {
	switch {
	case server && (f.Cert == "" || f.Key == ""):
		return errors.New("a server needs a certificate and its key: set Cert and Key")
	case (f.Cert == "") != (f.Key == ""):
		return errors.New("a certificate needs its key, and a key its certificate: set both Cert and Key, or none")
	case f.OptionalClientCert && !server:
		return errors.New("OptionalClientCert is for servers: a client's server always has a certificate")
	case f.OptionalClientCert && f.CA == "":
		return errors.New("OptionalClientCert needs CA, the authorities of the clients' certificates")
	case f.CRL != "" && f.CA == "" && server:
		return errors.New("CRL needs CA: a server without it asks clients for no certificate")
	}
	return nil
}

// load reads all files once.
func (f TLSFiles) load(server bool) (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.Cert != "" {
		cert, err := f.certificate()
		if err != nil {
			return nil, err
		}
		if err := f.checkOwn(cert.Leaf, server); err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	if f.CA != "" {
		pool, err := f.authorities()
		if err != nil {
			return nil, err
		}
		if server {
			cfg.ClientCAs, cfg.ClientAuth = pool, tls.RequireAndVerifyClientCert
			if f.OptionalClientCert {
				cfg.ClientAuth = tls.VerifyClientCertIfGiven
			}
		} else {
			cfg.RootCAs = pool
		}
	}
	if f.CRL != "" {
		lists, err := readRevoked(f.CRL)
		if err != nil {
			return nil, err
		}
		cfg.VerifyConnection = lists.check
	}
	return cfg, nil
}

// checkOwn finds what would make every peer refuse this side's certificate.
func (f TLSFiles) checkOwn(leaf *x509.Certificate, server bool) error {
	about := fmt.Sprintf("certificate file %q (subject %q)", f.Cert, leaf.Subject)
	switch now := time.Now(); {
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s expired at %s", about, leaf.NotAfter.Format(time.RFC3339))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s is not valid before %s (this machine's clock says %s)", about,
			leaf.NotBefore.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		return fmt.Errorf("%s has an RSA key of %d bits, which peers with today's defaults refuse; "+
			"use ECDSA P-256, or RSA with 2048 bits or more", about, key.N.BitLen())
	}
	usage, use := x509.ExtKeyUsageClientAuth, "client"
	if server {
		usage, use = x509.ExtKeyUsageServerAuth, "server"
		if len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.URIs)+len(leaf.EmailAddresses) == 0 {
			return fmt.Errorf("%s has no subject alternative names (SAN), so that clients reject it; "+
				"make one with the DNS names or IP addresses by which clients reach the server", about)
		}
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, usage) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return fmt.Errorf("%s is not for a %s: its extended key usage (%s) lacks %q", about, use, usages(leaf), use+" authentication")
	}
	return nil
}

// usages names what a certificate may be used for.
func usages(c *x509.Certificate) string {
	var names []string
	for _, u := range c.ExtKeyUsage {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "server authentication")
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "client authentication")
		default:
			names = append(names, fmt.Sprintf("usage %d", u))
		}
	}
	return strings.Join(names, ", ")
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
	return cert, nil
}

// authorities reads CA. A certificate in it that cannot be parsed is an error, as whoever it signed
// would be refused.
func (f TLSFiles) authorities() (*x509.CertPool, error) {
	text, err := readPEM("CA", f.CA, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return pool, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("CA %q: block %d cannot be parsed: %w", f.CA, n, err)
		}
		pool.AddCert(cert)
	}
}

// readPEM reads a file that must have a PEM block of one of the types.
func readPEM(field, file string, types ...string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	var found []string
	wanted := false
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		found = append(found, block.Type)
		wanted = wanted || slices.Contains(types, block.Type)
	}
	switch {
	case bytes.Count(text, []byte("-----BEGIN ")) > len(found):
		return nil, fmt.Errorf("%s %q: a PEM block of the file is damaged or lacks its end (%d begin, %d are whole)", field, file,
			bytes.Count(text, []byte("-----BEGIN ")), len(found))
	case wanted:
		return text, nil
	case len(found) == 0:
		return nil, fmt.Errorf("%s %q: no PEM block in the file; want one of type %s (-----BEGIN %s-----)", field, file, types[0], types[0])
	case slices.Contains(found, "ENCRYPTED PRIVATE KEY"):
		return nil, fmt.Errorf("%s %q: the key is encrypted; store it in plain, readable by this program's user only", field, file)
	}
	return nil, fmt.Errorf("%s %q: the file has PEM blocks of type %q, want %s", field, file, found, types[0])
}
