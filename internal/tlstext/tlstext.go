// Package tlstext says in words why a TLS handshake failed: what is wrong with whose certificate,
// and what the other end found wrong with this end's.
package tlstext

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"
)

// maxNames bounds how many of a certificate's names a text has, and maxName how much of each.
const (
	maxNames = 8
	maxName  = 100
)

// Names says which names a certificate has, in brackets after a space; "" for nil.
func Names(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	if len(names) == 0 {
		if c.Subject.CommonName != "" {
			return " (it has a common name only, which is not looked at; it needs subject alternative names)"
		}
		return " (it has no subject alternative names)"
	}
	more := ""
	if len(names) > maxNames {
		more = fmt.Sprintf(" and %d more", len(names)-maxNames)
		names = names[:maxNames]
	}
	for i, name := range names {
		names[i] = cut(name)
	}
	return fmt.Sprintf(" (it is for %q%s)", names, more)
}

// Issuer names who signed a certificate, in brackets after a space; "" for nil.
func Issuer(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf(" (issuer %q)", cut(c.Issuer.String()))
}

// Validity says since when, or until when, a certificate is not valid at a time. crypto/x509 has
// one reason for both.
func Validity(c *x509.Certificate, now time.Time) string {
	switch {
	case c != nil && now.Before(c.NotBefore):
		return fmt.Sprintf("is not valid before %s, and this machine's clock says %s", c.NotBefore.Format(time.RFC3339), now.Format(time.RFC3339))
	case c != nil && now.After(c.NotAfter):
		return fmt.Sprintf("expired at %s (%s ago)", c.NotAfter.Format(time.RFC3339), now.Sub(c.NotAfter).Round(time.Second))
	}
	return "is not valid at this time"
}

func cut(s string) string {
	if len(s) > maxName {
		return strings.ToValidUTF8(s[:maxName], "") + "..."
	}
	return s
}

// Alert returns the text of the alert (RFC 8446 §6) the peer ended a handshake or connection with;
// "" if err is none. crypto/tls does not export the type of alerts received; the texts are those of
// its alert.go.
func Alert(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	return strings.TrimPrefix(op.Err.Error(), "tls: ")
}

// Refusal says what an alert means about the certificate of this end ("client" or "server"), and
// what to do; "" if the alert is not about certificates.
func Refusal(alert, end string) string {
	peer := "server"
	if end == "server" {
		peer = "client"
	}
	own := fmt.Sprintf("the %s refused this %s's certificate: ", peer, end)
	switch alert {
	case "certificate required":
		return "the server requires a client certificate, and this client showed none that fits (set Cert and Key in WithTLSFiles)"
	case "unknown certificate authority":
		return own + "its authority is not trusted there"
	case "expired certificate":
		return own + "it has expired, or is not valid yet, by the clock there"
	case "revoked certificate":
		return own + "it was revoked"
	case "unsupported certificate":
		return own + "its kind is not supported there"
	case "bad certificate", "unknown certificate":
		if end == "client" {
			return "the server refused this client's certificate, or misses one; its log has the reason"
		}
		// Go's crypto/tls sends this one alert for every fault it finds in a server's certificate.
		return own + "its authority, dates, names or usage were not accepted there; the client's error has the reason"
	}
	return ""
}

// Handshake says, on a server, why a client's handshake failed: what is wrong with the client's
// certificate, or what the client found wrong with the server's.
func Handshake(err error) string {
	if alert := Alert(err); alert != "" {
		if text := Refusal(alert, "server"); text != "" {
			return text
		}
		return "the client ended the handshake with the alert " + fmt.Sprintf("%q", alert)
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		return plaintext(record.RecordHeader)
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return clientCertificate(verify)
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "client didn't provide a certificate"):
		return "the client showed no certificate, which this server requires"
	case strings.Contains(text, "unsupported application protocols"):
		return "the client does not offer HTTP/2 by ALPN"
	case strings.Contains(text, "unsupported versions"):
		return "the client's TLS versions are older than this server's least"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the client closed the connection during the TLS handshake (a port check, or a client that does not trust this server's certificate)"
	}
	return "the TLS handshake failed"
}

// plaintext tells what a client spoke in place of TLS.
func plaintext(first [5]byte) string {
	switch string(first[:3]) {
	case "PRI":
		return "the client speaks HTTP/2 in plaintext, and this server TLS"
	case "GET", "POS", "HEA", "PUT", "OPT", "CON":
		return "the client speaks HTTP/1 in plaintext, and this server TLS"
	}
	return "the client does not speak TLS"
}

func clientCertificate(err *tls.CertificateVerificationError) string {
	var leaf *x509.Certificate
	if len(err.UnverifiedCertificates) > 0 {
		leaf = err.UnverifiedCertificates[0]
	}
	who := "the client's certificate"
	if leaf != nil {
		who += fmt.Sprintf(" (subject %q)", cut(leaf.Subject.String()))
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return who + " is signed by an authority that is not trusted here" + Issuer(unknown.Cert)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return who + " " + Validity(invalid.Cert, time.Now())
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return who + " is not for clients: its extended key usage lacks client authentication"
	case errors.As(err, &invalid) && invalid.Reason == x509.NotAuthorizedToSign:
		return who + " is signed by one that may not sign others" + Issuer(invalid.Cert)
	}
	return who + " is not acceptable"
}
