package tlstext

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// What a peer chose is cut: a certificate may have thousands of names, and long ones.
func TestTextsAreBounded(t *testing.T) {
	c := &x509.Certificate{Issuer: pkix.Name{CommonName: strings.Repeat("é", 10_000)}}
	for range 1000 {
		c.DNSNames = append(c.DNSNames, strings.Repeat("a", 10_000))
	}
	for _, text := range []string{Names(c), Issuer(c)} {
		if len(text) > 2000 || strings.ContainsRune(text, '\uFFFD') {
			t.Errorf("%d bytes: %.100s", len(text), text)
		}
	}
	if got := Names(c); !strings.Contains(got, "and 992 more") {
		t.Errorf("got %q, want how many names were left out", got)
	}
}

func TestValidity(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	c := &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	for at, want := range map[time.Time]string{
		now: "is not valid at this time", now.Add(2 * time.Hour): "(1h0m0s ago)", now.Add(-2 * time.Hour): "is not valid before",
	} {
		if got := Validity(c, at); !strings.Contains(got, want) {
			t.Errorf("at %v: %q, want %q", at, got, want)
		}
	}
}

func TestHandshake(t *testing.T) {
	record := func(s string) error {
		var e tls.RecordHeaderError
		copy(e.RecordHeader[:], s)
		return fmt.Errorf("wrapped: %w", e)
	}
	for want, err := range map[string]error{
		"HTTP/2 in plaintext":           record("PRI *"),
		"HTTP/1 in plaintext":           record("GET /"),
		"does not speak TLS":            record("\x00\x01\x02\x03\x04"),
		"a port check":                  io.EOF,
		"does not offer HTTP/2 by ALPN": errors.New(`tls: client requested unsupported application protocols (["http/1.0"])`),
		"older than":                    errors.New("tls: client offered only unsupported versions: [301]"),
		"the TLS handshake failed":      errors.New("something else"),
		"is not acceptable":             &tls.CertificateVerificationError{Err: errors.New("x")},
	} {
		if got := Handshake(err); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
