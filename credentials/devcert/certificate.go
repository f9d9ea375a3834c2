package devcert

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// Certificate is a certificate together with its private key.
type Certificate struct {
	// TLS is what goes into tls.Config's Certificates. Not to be changed.
	TLS tls.Certificate
	key *ecdsa.PrivateKey
}

// CertPEM returns the certificate.
func (c *Certificate) CertPEM() []byte { return certPEM(c.TLS.Leaf) }

// KeyPEM returns the private key.
func (c *Certificate) KeyPEM() ([]byte, error) { return keyPEM(c.key) }

// ServerConfig returns a new configuration of a server that shows this certificate.
func (c *Certificate) ServerConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12}
}

// MutualConfig is ServerConfig for a server that takes only clients with a certificate of the
// given authority.
func (c *Certificate) MutualConfig(clients *Authority) *tls.Config {
	config := c.ServerConfig()
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = clients.Pool()
	return config
}

// addHosts sorts names into the kinds of subject alternative names (RFC 5280 §4.2.1.6).
func addHosts(template *x509.Certificate, hosts []string) error {
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip != nil:
			template.IPAddresses = append(template.IPAddresses, ip)
		case strings.Contains(host, "://"):
			u, err := url.Parse(host)
			if err != nil {
				return fmt.Errorf("host %q: %w", host, err)
			}
			template.URIs = append(template.URIs, u)
		case host == "" || strings.ContainsAny(host, " /:\t\r\n"):
			return fmt.Errorf("host %q is no DNS name, IP address or URI (it goes without port and path)", host)
		default:
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return nil
}
