package connectivity

import (
	"fmt"
	"strings"
	"time"
)

// Reason says in one stable token why a connection could not be made or was lost. New
// reasons may be added; treat those you do not know as [Other].
type Reason string

// Reasons for which no connection came about.
const (
	// NameResolution: the target's name did not resolve to any address.
	NameResolution Reason = "name_resolution"
	// NoAddresses: the name resolved, to an empty list.
	NoAddresses Reason = "no_addresses"
	// ServiceConfig: the target came with a service config that is not valid.
	ServiceConfig Reason = "service_config"
	// Refused: nobody listens at the address.
	Refused Reason = "refused"
	// Unreachable: no route to the host or network.
	Unreachable Reason = "unreachable"
	// ConnectTimeout: no answer within the connect timeout.
	ConnectTimeout Reason = "connect_timeout"
	// Resources: this process could not open a socket (descriptors, ports, permissions).
	Resources Reason = "resources"
	// Proxy: the HTTP proxy refused or broke the tunnel.
	Proxy Reason = "proxy"
	// TLS: the handshake failed for a reason other than the ones below.
	TLS Reason = "tls"
	// NotTLS: the peer answered the handshake with something that is not TLS.
	NotTLS Reason = "not_tls"
	// CertificateExpired: the peer's certificate is not valid now.
	CertificateExpired Reason = "certificate_expired"
	// CertificateAuthority: the peer's certificate is signed by nobody known.
	CertificateAuthority Reason = "certificate_authority"
	// CertificateName: the peer's certificate is for other names.
	CertificateName Reason = "certificate_name"
	// CertificateInvalid: the peer's certificate is refused for another reason.
	CertificateInvalid Reason = "certificate_invalid"
	// ClientCertificate: the peer refused, or misses, this side's certificate.
	ClientCertificate Reason = "client_certificate"
	// ALPN: the peer did not agree on HTTP/2.
	ALPN Reason = "alpn"
	// Preface: the peer did not start to speak HTTP/2.
	Preface Reason = "preface"
	// Health: the connection is up, the service on it says that it is not serving.
	Health Reason = "health"
	// Ejected: outlier detection took the address out (gRFC A50).
	Ejected Reason = "ejected"
)

// Reasons for which a connection was lost.
const (
	// GoAway: the peer asked to leave with GOAWAY.
	GoAway Reason = "goaway"
	// Keepalive: the peer did not answer a keepalive ping.
	Keepalive Reason = "keepalive"
	// Reset: the socket was reset or closed without GOAWAY.
	Reset Reason = "reset"
	// Protocol: one side broke HTTP/2's rules.
	Protocol Reason = "protocol"
	// Local: this side closed it (drain, limit, idle).
	Local Reason = "local"
	// Other: none of the above.
	Other Reason = "other"
)

// Failure explains why a connection could not be made or was lost. Immutable once handed out.
type Failure struct {
	// Reason is the token to switch on.
	Reason Reason
	// Address is where the connection was to go or went, "" if it did not come to an address.
	Address string
	// Time is when it happened; zero if unknown.
	Time time.Time
	// Code is the HTTP/2 error code of a GoAway or Protocol failure (RFC 9113 §7).
	Code uint32
	// Token names the rule that fired, where one did: short and stable, for metrics.
	Token string
	// Text says it in words: what was tried and what came of it. It names the setting that decided,
	// if one did.
	Text string
	// Err is the cause, nil if there is none.
	Err error
}

// Error returns the failure in one line: address, text, cause.
func (f *Failure) Error() string {
	var b strings.Builder
	if f.Address != "" {
		b.WriteString(f.Address)
		b.WriteString(": ")
	}
	switch {
	case f.Text != "" && f.Err != nil:
		fmt.Fprintf(&b, "%s: %v", f.Text, f.Err)
	case f.Text != "":
		b.WriteString(f.Text)
	case f.Err != nil:
		b.WriteString(f.Err.Error())
	default:
		b.WriteString(string(f.Reason))
	}
	return b.String()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }
