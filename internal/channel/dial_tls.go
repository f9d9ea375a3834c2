package channel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/resolver"
)

// alpnHTTP2 is HTTP/2's name in ALPN: RFC 9113 §3.2.
const alpnHTTP2 = "h2"

// handshake lays TLS over nc. It closes nc when it fails.
func (d *Dialer) handshake(ctx context.Context, nc net.Conn, addr resolver.Address) (net.Conn, *tls.ConnectionState, error) {
	cfg := d.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = hostOf(addr.ServerName)
	}
	// RFC 9113 §3.2: "Implementations that support HTTP/2 over TLS MUST use protocol negotiation in TLS".
	if !slices.Contains(cfg.NextProtos, alpnHTTP2) {
		cfg.NextProtos = append([]string{alpnHTTP2}, cfg.NextProtos...)
	}
	// RFC 9113 §9.2: TLS 1.2 at least.
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	under := nc
	if d.Underlay != nil {
		under = d.Underlay(nc)
	}
	tc := tls.Client(under, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, nil, tlsFailure(addr, cfg.ServerName, err)
	}
	state := tc.ConnectionState()
	if state.NegotiatedProtocol != alpnHTTP2 {
		tc.Close()
		return nil, nil, &connectivity.Failure{
			Reason: connectivity.ALPN, Address: addr.String(), Time: time.Now(), Text: noHTTP2(state.NegotiatedProtocol),
		}
	}
	return tc, &state, nil
}

// noHTTP2 says which protocol a peer chose in place of HTTP/2.
func noHTTP2(chosen string) string {
	if chosen == "" {
		return "the server does not take part in ALPN, which HTTP/2 over TLS needs: this client offered \"h2\", and the server selected nothing (does a proxy in front of it terminate TLS, does it speak HTTP/1.1 only, or does its tls.Config lack NextProtos?)"
	}
	return fmt.Sprintf("the server did not agree on HTTP/2 by ALPN: this client offered \"h2\", and the server selected %s", brief.Quote(chosen))
}

// hostOf returns an authority without its port.
func hostOf(authority string) string {
	if host, _, err := net.SplitHostPort(authority); err == nil {
		return host
	}
	return strings.Trim(authority, "[]")
}

// tlsFailure says what is wrong with whose certificate, if that is what it is.
func tlsFailure(addr resolver.Address, name string, err error) *connectivity.Failure {
	f := &connectivity.Failure{
		Reason: connectivity.TLS, Address: addr.String(), Time: time.Now(), Text: "the TLS handshake failed", Err: err,
	}
	var record tls.RecordHeaderError
	if errors.As(err, &record) {
		f.Reason, f.Text = connectivity.NotTLS, "the peer does not speak TLS (is it plaintext?)"
		return f
	}
	if r := alertReason(err); r != "" {
		f.Reason, f.Text = r, alertText(r)
		return f
	}
	if reason, text := certificateFault(name, err); reason != "" {
		f.Reason, f.Text = reason, text
	}
	// Servers in plaintext that wait for HTTP/2's preface close at the sight of a ClientHello.
	if errors.Is(err, io.EOF) || dialReason(err) == connectivity.Reset {
		f.Text = "the peer closed the connection during the TLS handshake (does it expect plaintext?)"
	}
	return f
}

// certificateFault tells which check the peer's certificate did not pass.
func certificateFault(name string, err error) (connectivity.Reason, string) {
	var host x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var roots x509.SystemRootsError
	switch {
	case errors.As(err, &host):
		return connectivity.CertificateName, fmt.Sprintf("the server's certificate is not for %q%s", name, nameless(host))
	case errors.As(err, &unknown):
		return connectivity.CertificateAuthority, "the server's certificate is signed by an authority that is not trusted here" + issuer(unknown.Cert)
	case errors.As(err, &roots):
		return connectivity.CertificateAuthority, "the system's trusted authorities could not be read"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return connectivity.CertificateExpired, "the server's certificate is not valid at this time"
	case errors.As(err, &invalid) && invalid.Reason == x509.NotAuthorizedToSign:
		return connectivity.CertificateAuthority, "the server's certificate is signed by one that may not sign others"
	case errors.As(err, &invalid):
		return connectivity.CertificateInvalid, "the server's certificate is not acceptable"
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return connectivity.CertificateInvalid, "the server's certificate was refused"
	}
	return "", ""
}

// nameless names the most common cause of all.
func nameless(e x509.HostnameError) string {
	if c := e.Certificate; c != nil && len(c.DNSNames) == 0 && len(c.IPAddresses) == 0 && c.Subject.CommonName != "" {
		return " (it has a common name only, which is not looked at; it needs subject alternative names)"
	}
	return ""
}

func issuer(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return " (issuer " + brief.Quote(c.Issuer.String()) + ")"
}

// alertReason reads the alert a peer ended the handshake with; "" if there was none, or none of interest.
// crypto/tls does not export the type of alerts received; the texts are those of its alert.go.
func alertReason(err error) connectivity.Reason {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return ""
	}
	text := op.Err.Error()
	switch {
	case strings.Contains(text, "no application protocol"):
		return connectivity.ALPN
	case strings.Contains(text, "certificate"), strings.Contains(text, "unknown certificate authority"):
		return connectivity.ClientCertificate
	}
	return ""
}

func alertText(r connectivity.Reason) string {
	if r == connectivity.ALPN {
		return "the server does not offer HTTP/2 by ALPN: this client offered \"h2\", and the server answered \"no application protocol\" (does it speak HTTP/1.1 only?)"
	}
	return "the peer refused this side's certificate, or misses one"
}
