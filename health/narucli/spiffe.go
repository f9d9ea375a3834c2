package narucli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// RequireSPIFFE returns a copy of cfg that accepts a server only if its certificate chains to
// cfg.RootCAs and has the SPIFFE ID id ("spiffe://example.org/shop") as its one URI name; an ID
// without a path ("spiffe://example.org") accepts every ID of that trust domain. Host names are not
// checked, since SPIFFE certificates have none. It is an error if id is no SPIFFE ID, or if cfg has
// no RootCAs: the system's authorities vouch for no SPIFFE ID.
func RequireSPIFFE(cfg *tls.Config, id string) (*tls.Config, error) {
	want, err := url.Parse(id)
	if err != nil || want.Scheme != "spiffe" || want.Host == "" || want.User != nil || want.RawQuery != "" || want.Fragment != "" || want.Port() != "" {
		return nil, fmt.Errorf("%q is not a SPIFFE ID: want spiffe://trust-domain/path", id)
	}
	if cfg == nil || cfg.RootCAs == nil {
		return nil, errors.New("a SPIFFE ID needs the certificates of its trust domain: give them as the CA file")
	}
	cfg = cfg.Clone()
	cfg.InsecureSkipVerify = true // of the host name; VerifyConnection checks the chain
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if err := verifyChain(state.PeerCertificates, cfg.RootCAs); err != nil {
			return err
		}
		return checkID(state.PeerCertificates[0], want)
	}
	return cfg, nil
}

// verifyChain checks certificates without a host name.
func verifyChain(certs []*x509.Certificate, roots *x509.CertPool) error {
	if len(certs) == 0 {
		return errors.New("the server sent no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, c := range certs[1:] {
		intermediates.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return err
}

// checkID compares a certificate's SPIFFE ID. A certificate with more than one URI name is invalid
// (X.509-SVID §2).
func checkID(cert *x509.Certificate, want *url.URL) error {
	var names []string
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	if len(names) != 1 {
		return fmt.Errorf("the server's certificate has %d URI names %q, want one SPIFFE ID", len(names), names)
	}
	got := cert.URIs[0]
	sameDomain := got.Scheme == "spiffe" && strings.EqualFold(got.Host, want.Host)
	if path := strings.TrimSuffix(want.Path, "/"); !sameDomain || path != "" && got.Path != path {
		return fmt.Errorf("the server's SPIFFE ID is %s, want %s", names[0], want)
	}
	return nil
}
