package naru

import (
	"crypto/tls"
	"net/url"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/internal/channel"
	"github.com/naru-rpc/naru/serviceconfig"
)

// channelOptions are the options about names, balancing and connections.
type channelOptions struct {
	serviceConfig     *serviceconfig.Config
	serviceConfigJSON string // parsed when all policies are known
	policy            balancer.Policy
	policies          balancer.Registry
	maxConnections    int
	maxConnectionsCap int
	proxy             channel.ProxyFunc
	proxyID, dialID   *byte // of the options they came with: functions cannot be compared
	noProxy           bool
	proxyTLS          *tls.Config
	pool              *ChannelPool
}

// WithServiceConfig sets the service config that holds while the resolver brings none: timeouts,
// retries, hedging, balancing, health checking by method. NewClient refuses one that is not valid,
// with the place of each mistake. nil: none.
func WithServiceConfig(c *serviceconfig.Config) ClientOption {
	return clientOption(func(o *clientConfig) { o.serviceConfig, o.serviceConfigJSON = c, "" })
}

// WithServiceConfigJSON is WithServiceConfig for gRPC's JSON form (service_config.md). Keys that
// are unknown or in the wrong place are mistakes that NewClient names.
func WithServiceConfigJSON(text string) ClientOption {
	return clientOption(func(o *clientConfig) { o.serviceConfig, o.serviceConfigJSON = nil, text })
}

// WithBalancer sets the balancing policy where the service config names none, such as
// balancer.RoundRobin{}. nil, and without this option: balancer.PickFirst{}.
func WithBalancer(p balancer.Policy) ClientOption {
	return clientOption(func(o *clientConfig) { o.policy = p })
}

// WithBalancerParser makes a policy of your own known to service configs in JSON under a name, in
// place of a built-in one of that name.
func WithBalancerParser(name string, parse balancer.Parser) ClientOption {
	return clientOption(func(o *clientConfig) {
		if name == "" || parse == nil {
			o.bad("WithBalancerParser(%q): a name and a parser are needed", name)
			return
		}
		o.policies = o.policies.With(name, parse)
	})
}

// WithConnectionScaling bounds the connections to one address. A second one is opened when the
// server's limit of concurrent streams is reached on the first and calls wait, and closed when it
// is not needed any more (gRFC A105). 0: the default, 4. 1: never more than one. A service config
// may set another number, up to the larger of n and 10.
func WithConnectionScaling(n int) ClientOption {
	return clientOption(func(o *clientConfig) {
		if n < 0 {
			o.bad("WithConnectionScaling(%d): want 0 or more", n)
			return
		}
		o.maxConnections, o.maxConnectionsCap = n, max(n, 10)
	})
}

// WithProxy chooses the HTTP proxy that leads to "host:port", nil for none, in place of HTTPS_PROXY
// and NO_PROXY of the environment. The connection goes through it by CONNECT; a URL with https
// means TLS to the proxy, user and password in it are sent as basic credentials. A nil function,
// and with WithDialer: no proxies. It is called by several goroutines at a time.
func WithProxy(proxy func(hostport string) (*url.URL, error)) ClientOption {
	id := new(byte)
	return clientOption(func(o *clientConfig) { o.proxy, o.proxyID, o.noProxy = proxy, id, proxy == nil })
}

// WithProxyTLS configures TLS to proxies. nil: the system's authorities, and the proxy's own name.
func WithProxyTLS(cfg *tls.Config) ClientOption {
	return clientOption(func(o *clientConfig) { o.proxyTLS = cfg })
}

// ChannelPool lets clients for the same target with the same settings share their connections. The
// zero value is ready for use. Safe for concurrent use.
type ChannelPool struct{ pool channel.Pool }

// WithChannelPool shares connections with the other clients made with this pool whose target and
// connection settings are equal; the last one to be closed closes them. Pointers are equal if they
// point to the same, and functions if they were given by the same option value (make it once, use
// it for all). Call options, interceptors and codecs stay each client's own.
func WithChannelPool(p *ChannelPool) ClientOption {
	return clientOption(func(o *clientConfig) { o.pool = p })
}

// checkChannel parses the service config and collects the mistakes of options of the channel.
func (c *clientConfig) checkChannel() {
	option := "WithServiceConfig"
	if c.serviceConfigJSON != "" {
		option = "WithServiceConfigJSON"
		var err error
		if c.serviceConfig, err = serviceconfig.Parse(c.serviceConfigJSON, balancer.Builtin().Join(c.policies)); err != nil {
			c.bad("%s: %w", option, err)
		}
	}
	if c.serviceConfig != nil {
		if err := c.serviceConfig.Validate(); err != nil {
			c.bad("%s: %w", option, err)
		}
	}
	if err := c.backoff.Validate(); err != nil {
		c.bad("WithBackoff: %w", err)
	}
	if v, ok := c.channelOptions.policy.(balancer.Validator); ok {
		if err := v.Validate(); err != nil {
			c.bad("WithBalancer: %w", err)
		}
	}
}
