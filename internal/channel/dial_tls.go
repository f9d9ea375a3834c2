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
	"github.com/naru-rpc/naru/internal/tlstext"
	"github.com/naru-rpc/naru/resolver"
)

// alpnHTTP2 is HTTP/2's name in ALPN: RFC 9113 §3.2.
const alpnHTTP2 = "h2"

// handshake lays TLS over nc. It closes nc when it fails.
func (d *Dialer) handshake(ctx context.Context, nc net.Conn, addr resolver.Address) (net.Conn, *tls.ConnectionState, error) {
	cfg := d.TLS().Clone()
	if cfg.ServerName == "" {
		cfg.ServerName = hostOf(addr.ServerName)
	}
	// RFC 9113 §3.2: "Implementations that support HTTP/2 over TLS MUST use protocol negotiation in
	// TLS".
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
	if reason, text := alertReason(err); reason != "" {
		f.Reason, f.Text = reason, text
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
		return connectivity.CertificateName, fmt.Sprintf("the server's certificate is not for %q%s", name, tlstext.Names(host.Certificate))
	case errors.As(err, &unknown):
		return connectivity.CertificateAuthority, "the server's certificate is signed by an authority that is not trusted here" + tlstext.Issuer(unknown.Cert)
	case errors.As(err, &roots):
		return connectivity.CertificateAuthority, "the system's trusted authorities could not be read"
	case errors.As(err, &invalid):
		return invalidCertificate(invalid)
	}
	var verify *tls.CertificateVerificationError
	if errors.As(err, &verify) {
		return connectivity.CertificateInvalid, "the server's certificate was refused"
	}
	return "", ""
}

// invalidCertificate says what is wrong with a certificate whose names and authority were not
// looked at.
func invalidCertificate(e x509.CertificateInvalidError) (connectivity.Reason, string) {
	switch e.Reason {
	case x509.Expired:
		return connectivity.CertificateExpired, "the server's certificate " + tlstext.Validity(e.Cert, time.Now())
	case x509.NotAuthorizedToSign:
		return connectivity.CertificateAuthority, "the server's certificate is signed by one that may not sign others" + tlstext.Issuer(e.Cert)
	case x509.IncompatibleUsage:
		return connectivity.CertificateInvalid, "the server's certificate is not for servers: its extended key usage lacks server authentication"
	}
	return connectivity.CertificateInvalid, "the server's certificate is not acceptable"
}

// alertReason reads the alert a peer ended the handshake with; "" if there was none, or none of
// interest.
func alertReason(err error) (connectivity.Reason, string) {
	alert := tlstext.Alert(err)
	if alert == "no application protocol" {
		return connectivity.ALPN, "the server does not offer HTTP/2 by ALPN: this client offered \"h2\", and the server answered \"no application protocol\" (does it speak HTTP/1.1 only?)"
	}
	if text := tlstext.Refusal(alert, "client"); text != "" {
		return connectivity.ClientCertificate, text
	}
	return "", ""
}
