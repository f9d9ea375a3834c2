package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/credentials/devcert"
)

func TestIdentity(t *testing.T) {
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Name: "shop", Hosts: []string{"shop.example.com", "192.0.2.1", "spiffe://example.com/shop"}})
	if err != nil {
		t.Fatal(err)
	}
	leaf := cert.TLS.Leaf
	for name, state := range map[string]*tls.ConnectionState{
		"plaintext": nil, "no certificate": {}, "not verified": {PeerCertificates: []*x509.Certificate{leaf}},
	} {
		if id, ok := IdentityOf(state); ok {
			t.Errorf("%s: identity %+v", name, id)
		}
	}
	id, ok := IdentityOf(&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{leaf}}})
	if !ok || id.SPIFFE != "spiffe://example.com/shop" || !slices.Equal(id.DNS, []string{"shop.example.com"}) ||
		!slices.Equal(id.IPs, []netip.Addr{netip.MustParseAddr("192.0.2.1")}) || !strings.Contains(id.Subject, "CN=shop") || len(id.Chain) != 1 {
		t.Errorf("identity %+v, %v", id, ok)
	}
	two := *leaf
	two.URIs = append(slices.Clone(leaf.URIs), leaf.URIs[0])
	if id, _ := IdentityOf(&tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{&two}}}); id.SPIFFE != "" {
		t.Errorf("two URIs are no SVID, got %q", id.SPIFFE)
	}
}

func TestSPIFFE(t *testing.T) {
	for text, want := range map[string]bool{
		"spiffe://example.com": true, "spiffe://example.com/a/b-C_1.x": true, "spiffe://a": true,
		"spiffe://": false, "spiffe:///a": false, "spiffe://example.com/": false, "spiffe://example.com//a": false,
		"spiffe://example.com/a/": false, "spiffe://example.com/.": false, "spiffe://example.com/../b": false,
		"spiffe://Example.com/a": false, "spiffe://example.com:80/a": false, "spiffe://u@example.com/a": false,
		"spiffe://example.com/a?q": false, "spiffe://example.com/a#f": false, "spiffe://example.com/%61": false,
		"https://example.com/a": false, "spiffe:example.com": false, "SPIFFE://example.com/a": true, // a URL's scheme is made lower case
		"spiffe://" + strings.Repeat("a", 256): false, "spiffe://a/" + strings.Repeat("b", 2048): false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := validSPIFFE(u); got != want {
			t.Errorf("%q: valid %v, want %v", text, got, want)
		}
	}
}
