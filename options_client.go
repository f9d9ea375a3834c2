package naru

import (
	"context"
	"net"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/resolver"
)

type clientConfig struct {
	sharedConfig
	channelOptions
	authority   string
	userAgent   string
	call        callConfig
	dial        func(ctx context.Context, network, address string) (net.Conn, error)
	connTimeout time.Duration
	backoff     connectivity.Backoff
	resolvers   []resolver.Builder
}

// defaultUserAgent names this implementation. PROTOCOL-HTTP2.md: "grpc-" Language ?("-" Variant)
// "/" Version.
const defaultUserAgent = "grpc-go-naru/0.1"

// WithUserAgent puts a program's name before naru's in the user-agent header: "shop/1.2".
func WithUserAgent(prefix string) ClientOption {
	return clientOption(func(c *clientConfig) {
		if c.userAgent = defaultUserAgent; prefix != "" {
			c.userAgent = prefix + " " + defaultUserAgent
		}
	})
}

// WithDialer opens connections with dial in place of a net.Dialer. It gets a network ("tcp",
// "unix") and an address without names to resolve, and returns the connection below TLS. It is
// called by several goroutines at a time.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) ClientOption {
	id := new(byte) // stands for dial where settings are compared
	return clientOption(func(c *clientConfig) { c.dial, c.dialID = dial, id })
}

// WithConnectTimeout bounds an attempt to connect, handshakes included. 0: the default, 20 s.
// Negative is a mistake.
func WithConnectTimeout(d time.Duration) ClientOption {
	return clientOption(func(c *clientConfig) {
		if d < 0 {
			c.bad("WithConnectTimeout(%v): want 0 or more", d)
			return
		}
		c.connTimeout = d
	})
}

// WithBackoff spaces the attempts to connect after one has failed. Zero fields have gRPC's
// defaults.
func WithBackoff(b connectivity.Backoff) ClientOption {
	return clientOption(func(c *clientConfig) { c.backoff = b })
}

// WithResolvers adds schemes that targets may have. One of the name of a built-in scheme replaces
// it.
func WithResolvers(builders ...resolver.Builder) ClientOption {
	return clientOption(func(c *clientConfig) {
		for i, b := range builders {
			if b == nil {
				c.bad("WithResolvers: number %d is nil", i)
				continue
			}
			c.resolvers = append(c.resolvers, b)
		}
	})
}

func newClientConfig(opts []ClientOption) (*clientConfig, error) {
	c := &clientConfig{sharedConfig: defaultShared(), userAgent: defaultUserAgent}
	for i, o := range opts {
		if o == nil {
			c.bad("option %d is nil", i)
			continue
		}
		o.applyClient(c)
	}
	c.finish(false)
	c.call.complete(&c.sharedConfig)
	c.call.check(&c.sharedConfig)
	c.checkChannel()
	return c, c.joined("client")
}
