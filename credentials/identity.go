package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"net/url"
	"strings"
)

// Identity is who a verified certificate says a peer is. Slices must not be changed.
type Identity struct {
	// SPIFFE is the peer's SPIFFE ID, such as "spiffe://example.com/shop"; "": the certificate has
	// none, or is not an X.509-SVID (more than one URI, or an ID against the rules of SPIFFE-ID
	// §2).
	SPIFFE string
	// DNS holds the DNS names of the subject alternative names (RFC 5280 §4.2.1.6), wildcards
	// included.
	DNS []string
	// IPs holds their addresses, IPv4 ones unmapped.
	IPs []netip.Addr
	// Emails holds their e-mail addresses.
	Emails []string
	// URIs holds their URIs.
	URIs []*url.URL
	// Subject is the distinguished name in RFC 2253's form, for people. Common names are no
	// identity: use the names above.
	Subject string
	// Chain is the verified chain, from the peer's certificate to an authority. It has at least one
	// certificate.
	Chain []*x509.Certificate
}

// IdentityOf returns who the peer of a connection is, and whether that was verified: false for
// plaintext (nil), for a peer without a certificate, and where the configuration did not verify it
// (tls.RequireAnyClientCert, InsecureSkipVerify).
func IdentityOf(state *tls.ConnectionState) (Identity, bool) {
	if state == nil || len(state.VerifiedChains) == 0 {
		return Identity{}, false
	}
	chain := state.VerifiedChains[0]
	leaf := chain[0]
	id := Identity{
		DNS: leaf.DNSNames, Emails: leaf.EmailAddresses, URIs: leaf.URIs,
		Subject: leaf.Subject.String(), Chain: chain, SPIFFE: spiffeID(leaf),
	}
	for _, ip := range leaf.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			id.IPs = append(id.IPs, a.Unmap())
		}
	}
	return id, true
}

// spiffeID returns the SPIFFE ID of an X.509-SVID. X509-SVID §2: "An X.509 SVID MUST contain
// exactly one URI SAN", and §4.1: "Leaf certificates MUST NOT be CA".
func spiffeID(c *x509.Certificate) string {
	if len(c.URIs) != 1 || c.IsCA || !validSPIFFE(c.URIs[0]) {
		return ""
	}
	return c.URIs[0].String()
}

// validSPIFFE holds SPIFFE-ID §2: scheme, trust domain (§2.1) and path (§2.2), nothing else, of at
// most 2048 bytes (§2.3).
func validSPIFFE(u *url.URL) bool {
	text := u.String()
	domain, path, _ := strings.Cut(strings.TrimPrefix(text, "spiffe://"), "/")
	if !strings.HasPrefix(text, "spiffe://") || len(text) > 2048 || strings.HasSuffix(text, "/") ||
		domain == "" || len(domain) > 255 || !onlyOf(domain, domainChars) {
		return false
	}
	if path == "" {
		return true
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." || !onlyOf(segment, segmentChars) {
			return false
		}
	}
	return true
}

const (
	domainChars  = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
	segmentChars = domainChars + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func onlyOf(s, chars string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(chars, r) })
}
