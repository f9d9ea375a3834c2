package naru

import (
	"crypto/tls"
	"slices"

	"github.com/naru-rpc/naru/credentials"
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
// cfg is copied; NextProtos is completed and a MinVersion below TLS 1.2 raised (RFC 9113 §9.2), in what GetConfigForClient
// returns too. [WithTLSFiles] does it for files.
func WithTLS(cfg *tls.Config) Option {
	return option{func(c *sharedConfig) {
		c.tls = tlsChoice{set: true}
		if cfg != nil {
			c.tls.config = cfg.Clone()
		}
	}}
}

// WithTLSFiles makes connections use TLS with certificates from PEM files, which are read once. For a server Cert and Key are
// required, and with CA clients must have a certificate too. A client checks the server's certificate against CA, "": the
// system's authorities; Cert and Key are its own certificate, for servers that ask for one. The error of NewServer or
// NewClient says what is wrong with which file.
func WithTLSFiles(files credentials.TLSFiles) Option { return tlsFiles{files} }

type tlsFiles struct{ files credentials.TLSFiles }

func (o tlsFiles) applyServer(c *serverConfig) {
	c.setTLSFiles(o.files.ServerConfig())
}

func (o tlsFiles) applyClient(c *clientConfig) {
	c.setTLSFiles(o.files.ClientConfig())
}

func (c *sharedConfig) setTLSFiles(cfg *tls.Config, err error) {
	if err != nil {
		c.bad("WithTLSFiles: %w", err)
		return
	}
	c.tls = tlsChoice{set: true, config: cfg}
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
	if choose := cfg.GetConfigForClient; choose != nil {
		// What it returns takes cfg's place as a whole, so that it needs the same completion. Session ticket keys
		// survive the copy: crypto/tls takes those of cfg for one that has none of its own.
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			return serverTLS(chosen, http1), err // nil: cfg stays
		}
	}
	return cfg
}

// hasCertificate tells whether a server could complete a handshake with cfg.
func hasCertificate(cfg *tls.Config) bool {
	return cfg != nil && (len(cfg.Certificates) > 0 || cfg.GetCertificate != nil || cfg.GetConfigForClient != nil)
}
