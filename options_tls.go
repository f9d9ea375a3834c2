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
	files  *credentials.TLSFiles // read when all options are known, as what becomes of them is logged
}

// WithTLS makes connections use TLS. A server needs a certificate in cfg (Certificates,
// GetCertificate or GetConfigForClient). A client checks the server's certificate against
// cfg.RootCAs, nil: the system's, and the name of its target; a nil cfg means just that, and is the
// client's default. cfg is copied; NextProtos is completed and a MinVersion below TLS 1.2 raised
// (RFC 9113 §9.2), in what GetConfigForClient returns too. [WithTLSFiles] does it for files.
func WithTLS(cfg *tls.Config) Option {
	return option{func(c *sharedConfig) {
		choice := tlsChoice{set: true}
		if cfg != nil {
			choice.config = cfg.Clone()
		}
		c.chooseTLS(choice, nil)
	}}
}

// WithTLSFiles makes connections use TLS with certificates from PEM files. For a server Cert and
// Key are required, and with CA clients must have a certificate too. A client checks the server's
// certificate against CA, "": the system's authorities; Cert and Key are its own certificate, for
// servers that ask for one. The error of NewServer or NewClient says what is wrong with which file.
// Files that change are read again for new connections, within two seconds; files that cannot be
// used are logged ([WithLogger]), and the ones in use stay: see
// [credentials.TLSFiles.ServerConfig].
func WithTLSFiles(files credentials.TLSFiles) Option {
	shared := &files // so that clients made with this option may share connections
	return option{func(c *sharedConfig) { c.chooseTLS(tlsChoice{set: true, files: shared}, nil) }}
}

// WithTLSFunc makes a client use TLS with a configuration that config is asked for with each new
// connection, for roots and certificates that change while it runs. config must be safe for
// concurrent use and not block; what it returns is used as by [WithTLS], nil as an empty one.
// Clients made with it do not share connections. A server has tls.Config's GetConfigForClient for
// this.
func WithTLSFunc(config func() *tls.Config) ClientOption {
	return clientOption(func(c *clientConfig) {
		if config == nil {
			c.bad("WithTLSFunc: the function is nil")
			return
		}
		c.chooseTLS(tlsChoice{set: true, config: new(tls.Config)}, config) // a pointer of its own: see poolKey
	})
}

// chooseTLS takes the place of what options before said.
func (c *sharedConfig) chooseTLS(choice tlsChoice, source func() *tls.Config) {
	c.tls, c.tlsFunc = choice, source
}

// readTLSFiles makes the configuration of a server's or client's files.
func (c *sharedConfig) readTLSFiles(server bool) {
	if c.tls.files == nil {
		return
	}
	logger := c.logger
	report := func(err error) {
		if err != nil {
			logger.Warn("naru: TLS files not reloaded", "error", err)
			return
		}
		logger.Info("naru: TLS files reloaded", "cert", c.tls.files.Cert, "ca", c.tls.files.CA)
	}
	var err error
	if server {
		c.tls.config, err = c.tls.files.ServerConfig(report)
	} else {
		c.tlsFunc, err = c.tls.files.ClientConfigs(report)
	}
	if err != nil {
		c.bad("WithTLSFiles: %w", err)
	}
}

// WithPlaintext makes a client speak HTTP/2 without TLS (RFC 9113 §3.3, prior knowledge): everybody
// on the way can read and change what is sent.
func WithPlaintext() ClientOption {
	return clientOption(func(c *clientConfig) { c.chooseTLS(tlsChoice{set: true, plain: true}, nil) })
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
		// What it returns takes cfg's place as a whole, so that it needs the same completion.
		// Session ticket keys survive the copy: crypto/tls takes those of cfg for one that has none
		// of its own.
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
