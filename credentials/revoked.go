package credentials

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"time"
)

// revocations are revocation lists by the issuer's encoded name.
type revocations map[string][]*revocationList

type revocationList struct {
	list    *x509.RevocationList
	serials map[string]time.Time // of revoked certificates, and since when
}

// readRevoked reads a file of lists, in PEM or a single one in DER.
func readRevoked(file string) (revocations, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CRL: %w", err)
	}
	lists := make(revocations)
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		if err := lists.add(text); err != nil {
			return nil, fmt.Errorf("CRL %q: neither PEM nor a list in DER: %w", file, err)
		}
		return lists, nil
	}
	if text, err = readPEM("CRL", file, "X509 CRL"); err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return lists, nil
		}
		if block.Type != "X509 CRL" {
			continue
		}
		if err := lists.add(block.Bytes); err != nil {
			return nil, fmt.Errorf("CRL %q: block %d: %w", file, n, err)
		}
	}
}

func (r revocations) add(der []byte) error {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return err
	}
	for _, e := range list.Extensions {
		// RFC 5280 §5.2: "If a CRL contains a critical extension that the application cannot
		// process, then the application MUST NOT use that CRL to determine the status of
		// certificates." Delta lists and lists of a part are such.
		if e.Critical {
			return fmt.Errorf("the list of %q has the critical extension %v, which is not supported (a delta list or a list of a part?)", list.Issuer, e.Id)
		}
	}
	l := &revocationList{list: list, serials: make(map[string]time.Time, len(list.RevokedCertificateEntries))}
	for _, e := range list.RevokedCertificateEntries {
		l.serials[serialKey(e.SerialNumber)] = e.RevocationTime
	}
	r[string(list.RawIssuer)] = append(r[string(list.RawIssuer)], l)
	return nil
}

func serialKey(n *big.Int) string { return string(n.Bytes()) }

// check is a tls.Config's VerifyConnection, which runs for resumed sessions too: some verified
// chain must have no revoked certificate.
func (r revocations) check(state tls.ConnectionState) error {
	var revoked error
	for _, chain := range state.VerifiedChains {
		err := r.chain(chain)
		if err == nil {
			return nil
		}
		revoked = err
	}
	return revoked // nil without a chain: the peer showed no certificate
}

func (r revocations) chain(chain []*x509.Certificate) error {
	for _, cert := range chain[:len(chain)-1] {
		for _, l := range r[string(cert.RawIssuer)] {
			since, ok := l.serials[serialKey(cert.SerialNumber)]
			if !ok || !sameKey(l.list.AuthorityKeyId, cert.AuthorityKeyId) {
				continue // not on it, or a list of another authority of that name
			}
			return fmt.Errorf("certificate %q (serial number %x) was revoked at %s by %q",
				cert.Subject, cert.SerialNumber, since.Format(time.RFC3339), cert.Issuer)
		}
	}
	return nil
}

// sameKey tells whether two authority key identifiers may name one key: either may be missing. The
// lists' signatures are not looked at: they come from the same hands as the authorities'
// certificates, and one that is not trusted would only let revoked certificates in.
func sameKey(a, b []byte) bool { return len(a) == 0 || len(b) == 0 || bytes.Equal(a, b) }
