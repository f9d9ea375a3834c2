package naru

import (
	"crypto/tls"
	"slices"
)

// tlsChoice is what was said about TLS: nothing, a configuration, or plaintext.
type tlsChoice struct {
	set    bool
	config *tls.Config // nil with set: the defaults
	plain  bool
}

// WithTLS makes connections use TLS. A server needs a certificate in cfg (Certificates,
// GetCertificate or GetConfigForClient). A client checks the server's certificate against cfg.RootCAs, nil:
// the system's, and the name of its target; a nil cfg means just that, and is the client's default.
// cfg is copied; NextProtos is completed and a MinVersion below TLS 1.2 raised (RFC 9113 §9.2).
func WithTLS(cfg *tls.Config) Option {
	return option{func(c *sharedConfig) {
		c.tls = tlsChoice{set: true}
		if cfg != nil {
			c.tls.config = cfg.Clone()
		}
	}}
}

// WithPlaintext makes a client speak HTTP/2 without TLS (RFC 9113 §3.3, prior knowledge): everybody
// on the way can read and change what is sent.
func WithPlaintext() ClientOption {
	return clientOption(func(c *clientConfig) { c.tls = tlsChoice{set: true, plain: true} })
}

// serverTLS completes a server's configuration. RFC 9113 §3.3: "h2" is the protocol's name in ALPN.
func serverTLS(cfg *tls.Config, http1 bool) *tls.Config {
	if cfg == nil {
		return nil
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if !slices.Contains(cfg.NextProtos, "h2") {
		cfg.NextProtos = append([]string{"h2"}, cfg.NextProtos...)
	}
	if http1 && !slices.Contains(cfg.NextProtos, "http/1.1") {
		cfg.NextProtos = append(cfg.NextProtos, "http/1.1")
	}
	return cfg
}

// hasCertificate tells whether a server could complete a handshake with cfg.
func hasCertificate(cfg *tls.Config) bool {
	return cfg != nil && (len(cfg.Certificates) > 0 || cfg.GetCertificate != nil || cfg.GetConfigForClient != nil)
}
