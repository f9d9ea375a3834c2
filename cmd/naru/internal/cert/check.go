package cert

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// check finds what is wrong with the certificates and keys by themselves.
func (b *bundle) check(now time.Time) {
	for i, c := range b.certs {
		b.checkDates(i, c, now)
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
			b.find(failure, "%d: an RSA key of %d bits is refused by many peers: want 2048 or more, or ECDSA", i+1, key.N.BitLen())
		}
		if slices.Contains([]x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.MD5WithRSA, x509.MD2WithRSA}, c.SignatureAlgorithm) &&
			!bytes.Equal(c.RawIssuer, c.RawSubject) {
			b.find(failure, "%d: it is signed with %s, which peers refuse", i+1, c.SignatureAlgorithm)
		}
		if !c.IsCA {
			b.checkLeaf(i, c)
		}
	}
	b.checkOrder()
	for _, k := range b.keys {
		public, err := x509.MarshalPKIXPublicKey(k.Public())
		if err == nil && len(b.certs) > 0 && !bytes.Equal(public, b.certs[0].RawSubjectPublicKeyInfo) {
			b.find(failure, "the private key does not belong to the first certificate")
		}
	}
}

func (b *bundle) checkDates(i int, c *x509.Certificate, now time.Time) {
	switch {
	case now.After(c.NotAfter):
		b.find(failure, "%d: it expired on %s (%s ago)", i+1, c.NotAfter.UTC().Format(time.RFC3339), days(now.Sub(c.NotAfter)))
	case now.Before(c.NotBefore):
		b.find(failure, "%d: it is not valid before %s, and this machine's clock says %s", i+1,
			c.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	case c.NotAfter.Sub(now) < soon && c.NotAfter.Sub(c.NotBefore) > 2*soon:
		b.find(warning, "%d: it expires in %s", i+1, days(c.NotAfter.Sub(now)))
	default:
		b.find(good, "%d: it is valid for %s", i+1, days(c.NotAfter.Sub(now)))
	}
}

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.Round(time.Minute).String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func (b *bundle) checkLeaf(i int, c *x509.Certificate) {
	forServers := len(c.ExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	forClients := len(c.ExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
	noNames := len(names(c)) == 0
	switch {
	case noNames && forServers && forClients && !b.live:
		b.find(warning, "%d: it has no subject alternative names: good for a client, and no client takes it of a server", i+1)
	case noNames && forServers:
		b.find(failure, "%d: it has no subject alternative names, so that no client takes it: make one with the server's DNS names or addresses", i+1)
	}
	if b.live && i == 0 && !forServers {
		b.find(failure, "%d: it is not for servers: its extended key usage lacks server authentication", i+1)
	}
	for _, n := range c.DNSNames {
		if strings.Contains(n, "*") && (!strings.HasPrefix(n, "*.") || strings.Count(n, "*") > 1) {
			b.find(failure, "%d: the wildcard of %q matches nothing: only a whole first label may be *", i+1, n)
		}
	}
}

// checkOrder finds a chain whose certificates do not follow each other: peers of some stacks need
// the order.
func (b *bundle) checkOrder() {
	if len(b.certs) < 2 || b.certs[0].IsCA {
		return // a bundle of authorities has no order
	}
	for i, c := range b.certs[:len(b.certs)-1] {
		if !bytes.Equal(c.RawIssuer, b.certs[i+1].RawSubject) || c.CheckSignatureFrom(b.certs[i+1]) != nil {
			b.find(warning, "%d is not signed by %d: a chain begins with the server's certificate, and each is followed by the one that signed it", i+1, i+2)
			return
		}
	}
}

// checkChain verifies the first certificate against authorities; nil: the system's.
func (b *bundle) checkChain(roots *x509.CertPool, now time.Time) {
	if len(b.certs) == 0 {
		b.find(failure, "there is no certificate to check")
		return
	}
	whose := "the authorities given"
	if roots == nil {
		whose = "the system's authorities"
	}
	intermediates := x509.NewCertPool()
	for _, c := range b.certs[1:] {
		intermediates.AddCert(c)
	}
	at := now
	if c := b.certs[0]; now.After(c.NotAfter) || now.Before(c.NotBefore) {
		at = c.NotAfter.Add(-time.Second) // the dates are a finding already
	}
	chains, err := b.certs[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &unknown):
		last := b.certs[len(b.certs)-1]
		b.find(failure, "the chain does not lead to %s: the issuer of the last certificate, %q, is neither in the chain nor among them", whose, last.Issuer)
	case err != nil:
		b.find(failure, "the chain is not accepted by %s: %v", whose, err)
	default:
		chain := chains[0]
		b.find(good, "the chain leads to %q of %s", chain[len(chain)-1].Subject, whose)
	}
}

// checkName reports whether the first certificate is valid for host.
func (b *bundle) checkName(host string) {
	if len(b.certs) == 0 {
		return
	}
	if err := b.certs[0].VerifyHostname(host); err != nil {
		has := strings.Join(names(b.certs[0]), ", ")
		if has == "" {
			has = "none"
		}
		b.find(failure, "it is not for %s; its names: %s", host, has)
		return
	}
	b.find(good, "it is for %s", cli.Printable(host))
}
