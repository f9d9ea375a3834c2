package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 14 * 24 * time.Hour

// handshakeConfig returns the configuration of a handshake. lenient accepts every certificate, so
// that later checks can be made on a server whose certificate is wrong.
func (e *examination) handshakeConfig(lenient bool) *tls.Config {
	cfg := e.tls.Clone()
	cfg.NextProtos = []string{"h2"}
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(e.target)
		if err != nil {
			host = "localhost" // a unix socket
		}
		cfg.ServerName = host
	}
	if lenient {
		cfg.InsecureSkipVerify, cfg.VerifyConnection = true, nil
	}
	return cfg
}

// security finds out whether the server speaks TLS, and checks its certificate. It returns false if
// no connection can be used.
func (e *examination) security(ctx context.Context) bool {
	flags := &e.config.endpoint
	if flags.Plaintext {
		e.plaintext = true
		return true
	}
	state, took, err := e.handshake(ctx)
	var record tls.RecordHeaderError
	switch {
	case err == nil:
	case errors.As(err, &record):
		return e.notTLS(flags.NeedsTLS(), "the server answers a TLS handshake in plaintext")
	case isTimeout(err) || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "reset by peer"):
		return e.notTLS(flags.NeedsTLS(), fmt.Sprintf("the server does not answer a TLS handshake (%v)", err))
	default:
		return e.handshakeFault(err)
	}
	e.add("tls", good, "", "%s, %s (%v)", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), short(took))
	e.certificate(state.PeerCertificates)
	if state.NegotiatedProtocol == "h2" {
		e.add("alpn", good, "", "the server chose h2")
		return true
	}
	e.noALPN()
	return true
}

// notTLS decides what a failed handshake means.
func (e *examination) notTLS(wanted bool, what string) bool {
	if wanted {
		e.add("tls", failure, "the server speaks no TLS on this port: use its TLS port, or --plaintext", "%s", what)
		return false
	}
	e.plaintext = true
	if host, _, err := net.SplitHostPort(e.address); e.network == "unix" || err == nil && net.ParseIP(host).IsLoopback() {
		e.add("tls", good, "", "plaintext, within this machine")
		return true
	}
	e.add("tls", note, "anyone on the way can read and change the calls; give the server a certificate outside of trusted networks", "plaintext: %s", what)
	return true
}

// handshakeFault reports a handshake that failed in terms of TLS.
func (e *examination) handshakeFault(err error) bool {
	text := err.Error()
	advice := "compare the TLS versions and cipher suites of both sides"
	switch {
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"):
		advice = "the server wants a certificate of the client (mutual TLS): give --cert and --key"
	case strings.Contains(text, "no application protocol"):
		advice = "the server's ALPN protocols do not have h2: turn on HTTP/2 there"
	case strings.Contains(text, "protocol version"):
		advice = "gRPC needs TLS 1.2 or newer: turn it on at the server"
	case strings.Contains(text, "unrecognized name"):
		advice = "the server has no certificate for this name: check --server-name"
	}
	e.add("tls", failure, advice, "the handshake failed: %v", err)
	return false
}

func (e *examination) handshake(ctx context.Context) (tls.ConnectionState, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, e.config.endpoint.ConnectTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, e.network, e.address)
	if err != nil {
		return tls.ConnectionState{}, 0, err
	}
	defer conn.Close()
	start := time.Now()
	secured := tls.Client(conn, e.handshakeConfig(true))
	if err := secured.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, 0, err
	}
	// In TLS 1.3 a server that wants a certificate refuses after the client's last message.
	took := time.Since(start)
	if err := e.refused(secured); err != nil {
		return tls.ConnectionState{}, 0, err
	}
	return secured.ConnectionState(), took, nil
}

// refused returns the alert that a server sends right after the handshake, if it does. Servers send
// their SETTINGS at once, so that the wait is short as a rule.
func (e *examination) refused(conn *tls.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	_, err := conn.Read(make([]byte, 1))
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return err
	}
	return nil
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// noALPN reports a server that negotiated no protocol, or another one.
func (e *examination) noALPN() {
	e.add("alpn", failure, "gRPC clients refuse such a server: turn on HTTP/2 with ALPN \"h2\" at the server, or at the proxy before it",
		"the server does not choose h2 from the protocols that the client offers")
}

// certificate checks what the server has shown.
func (e *examination) certificate(certs []*x509.Certificate) {
	leaf := certs[0]
	now := time.Now()
	switch {
	case now.Before(leaf.NotBefore):
		e.clockAhead("the certificate is not valid before %s, in %v", leaf.NotBefore.UTC().Format(time.RFC3339), leaf.NotBefore.Sub(now).Round(time.Second))
	case now.After(leaf.NotAfter):
		e.add("certificate", failure, "renew it; look at why automatic renewal did not", "expired on %s, %v ago", leaf.NotAfter.UTC().Format(time.RFC3339), now.Sub(leaf.NotAfter).Round(time.Second))
	case leaf.NotAfter.Sub(now) < soon && leaf.NotAfter.Sub(leaf.NotBefore) > 2*soon:
		e.add("certificate", warning, "renew it now", "expires on %s, in %v", leaf.NotAfter.UTC().Format(time.RFC3339), leaf.NotAfter.Sub(now).Round(time.Minute))
	default:
		e.add("certificate", good, "", "valid until %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	e.name(leaf)
	e.chain(certs)
}

// clockAhead reports a certificate from the future.
func (e *examination) clockAhead(format string, args ...any) {
	e.add("certificate", failure, "the clock of the machine that issued it is ahead, or this machine's is behind: compare both with a time server", format, args...)
}

// name compares the certificate's names with the target's.
func (e *examination) name(leaf *x509.Certificate) {
	names := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	listed := strings.Join(names, ", ")
	if listed == "" {
		listed = fmt.Sprintf("none (the common name %q does not count)", leaf.Subject.CommonName)
	}
	if id := e.config.endpoint.SPIFFE; id != "" {
		if len(leaf.URIs) == 1 && leaf.URIs[0].String() == id {
			e.add("name", good, "", "the certificate is for %s", id)
		} else {
			e.add("name", failure, "correct --spiffe-id, or the server's identity", "the certificate is not for %s; it has: %s", id, listed)
		}
		return
	}
	want := e.handshakeConfig(false).ServerName
	if leaf.VerifyHostname(want) != nil {
		e.add("name", failure, "add the name to the certificate's subject alternative names, or connect by one of its names, or give --server-name",
			"the certificate is not for %s; it has: %s", want, listed)
		return
	}
	e.add("name", good, "", "the certificate is for %s", want)
}

// chain verifies the chain at a time when the certificate is valid, so that dates are not reported
// twice.
func (e *examination) chain(certs []*x509.Certificate) {
	intermediates := x509.NewCertPool()
	for _, c := range certs[1:] {
		intermediates.AddCert(c)
	}
	at := time.Now()
	if leaf := certs[0]; at.Before(leaf.NotBefore) || at.After(leaf.NotAfter) {
		at = leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{Roots: e.tls.RootCAs, Intermediates: intermediates, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		e.add("chain", good, "", "%s, up to a trusted authority", plural(len(certs), "certificate"))
	case errors.As(err, &unknown) && e.tls.RootCAs == nil:
		e.add("chain", failure, "give the authority's certificate with --ca; if it is a public one, the server may leave out an intermediate certificate",
			"issued by %q, which this machine does not trust", certs[len(certs)-1].Issuer.CommonName)
	case errors.As(err, &unknown):
		e.add("chain", failure, "give the authority that issued it with --ca, or let the server send its intermediate certificates",
			"issued by %q, which --ca does not have", certs[len(certs)-1].Issuer.CommonName)
	default:
		e.add("chain", failure, "see the error", "%v", err)
	}
}
