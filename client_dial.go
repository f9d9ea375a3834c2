package naru

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

// NewClient returns a client for a target, as gRPC's naming has it: "host:port",
// "dns:///host:port", "unix:///path", "passthrough:///address", "ipv4:1.2.3.4:50051", or a scheme
// of WithResolvers. It does no I/O: the first call connects. Connections use TLS unless
// WithPlaintext says otherwise. The error names every option that is wrong. Close the client when
// it is not needed any more.
func NewClient(target string, opts ...ClientOption) (*Client, error) {
	cfg, err := newClientConfig(opts)
	if err != nil {
		return nil, err
	}
	lease, err := cfg.openChannel(target)
	if err != nil {
		return nil, fmt.Errorf("naru: new client: %w", err)
	}
	ch, closer := lease.Channel, &clientChannel{lease: lease}
	c := newClient(cfg, ch, ch.Target(), ch.Authority(), closer)
	c.target = ch
	closer.watchDropped(c, cfg, target, callerOf(1))
	return c, nil
}

// builtinResolvers are the schemes every client knows: the one place where they are listed.
func builtinResolvers() resolver.Registry {
	return resolver.NewRegistry(
		resolver.DNS(resolver.DNSOptions{}),
		resolver.Passthrough(),
		resolver.Unix(),
		resolver.UnixAbstract(),
		resolver.IPv4(),
		resolver.IPv6(),
		resolver.File(resolver.FileOptions{}),
	)
}

// connTLS returns what makes the TLS configuration of each new connection.
func (c *clientConfig) connTLS() func() *tls.Config {
	if source := c.tlsFunc; source != nil {
		return func() *tls.Config { return clientTLS(source()) }
	}
	cfg := clientTLS(c.tls.config)
	return func() *tls.Config { return cfg }
}

func clientTLS(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	if !slices.Contains(cfg.NextProtos, "h2") {
		cfg.NextProtos = append([]string{"h2"}, cfg.NextProtos...)
	}
	return cfg
}

// State returns the state of the client's connections: that of the best one. A client made with
// InProcess is always ready.
func (c *Client) State() connectivity.State {
	if c.target == nil {
		return connectivity.Ready
	}
	return c.target.State()
}

// Connect begins to connect if the client is idle, without waiting.
func (c *Client) Connect() {
	if c.target != nil {
		c.target.Connect()
	}
}

// WaitReady connects and waits until a call could be sent. When ctx ends first, the error says what
// stood in the way: the last failure to resolve or connect.
func (c *Client) WaitReady(ctx context.Context) error {
	if c.target == nil {
		return nil
	}
	return c.target.WaitReady(ctx)
}

// WaitForStateChange waits until the state is another than last, and returns false if ctx ends
// first.
func (c *Client) WaitForStateChange(ctx context.Context, last connectivity.State) bool {
	if c.target == nil {
		<-ctx.Done()
		return false
	}
	return c.target.WaitForStateChange(ctx, last)
}
