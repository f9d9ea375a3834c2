package naru

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/internal/channel"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/http2"
	"github.com/naru-rpc/naru/serviceconfig"
)

// openChannel returns the client's share of a channel.
func (c *clientConfig) openChannel(target string) (*channel.Lease, error) {
	cfg := c.channelConfig(target)
	if c.pool != nil {
		return c.pool.pool.Get(c.poolKey(target), func() (*channel.Channel, error) { return channel.New(*cfg) })
	}
	ch, err := channel.New(*cfg)
	if err != nil {
		return nil, err
	}
	return channel.Own(ch), nil
}

func (c *clientConfig) channelConfig(target string) *channel.Config {
	policies := balancer.Builtin().Join(c.policies)
	ends := new(channel.EndLog)
	dialer, slower := c.dialer(ends.Add)
	return &channel.Config{
		Target:    target,
		Resolvers: builtinResolvers().With(c.resolvers...),
		Dial:      dialer.Dial,
		Proxy:     c.proxyFunc(),
		Policy:    c.channelOptions.policy,
		Authority: c.authority,

		ServiceConfig: c.serviceConfig,
		ParseServiceConfig: func(text string) (*serviceconfig.Config, error) {
			return serviceconfig.ParseLenient(text, policies)
		},

		Backoff:           c.backoff,
		ConnectTimeout:    c.connTimeout,
		IdleTimeout:       c.keepalive.MaxConnectionIdle,
		MaxConnections:    c.maxConnections,
		MaxConnectionsCap: c.maxConnectionsCap,
		MaxAttempts:       c.bounds.MaxAttempts,
		Ends:              ends,
		OnTooManyPings:    slower,
		UserAgent:         c.userAgent,
		Credentials:       c.call.Credentials,
		Logger:            c.logger,
	}
}

// proxyFunc: a dialer of the user's own knows by itself how to get out.
func (c *clientConfig) proxyFunc() channel.ProxyFunc {
	switch {
	case c.noProxy || c.proxy == nil && c.dial != nil:
		return nil
	case c.proxy != nil:
		return c.proxy
	}
	return channel.EnvironmentProxy
}

// dialer returns what makes connections, whose ends count is told of, and a function to call when a
// server had too many pings.
func (c *clientConfig) dialer(count func(*transport.Error)) (d *channel.Dialer, slower func()) {
	pings := &pingPace{c: c}
	d = &channel.Dialer{
		NetDial:  c.dial,
		ProxyTLS: c.proxyTLS,
		NewConn: func(ctx context.Context, nc net.Conn, state *tls.ConnectionState) (transport.ClientConn, error) {
			conn, err := http2.NewClientConn(ctx, nc, &http2.ClientConfig{
				Limits:    c.limits,
				Keepalive: pings.keepalive(),
				TLS:       state,
				Count:     count,
			})
			if err != nil {
				return nil, err
			}
			return conn, nil
		},
		UserTimeout: c.keepalive.withDefaults(defaultKeepaliveInterval).UserTimeout,
	}
	if !c.tls.plain {
		d.TLS = c.connTLS()
		d.Underlay = http2.SpillTLS
	}
	return d, pings.slower
}

// pingPace decides how often the connections of a client ping.
type pingPace struct {
	c       *clientConfig
	doubled atomic.Int32 // how often the interval was
}

// slower is for when a server had too many pings. gRFC A8: "If a client receives a GOAWAY with
// error code ENHANCE_YOUR_CALM and debug data equal to ASCII "too_many_pings", it should ... double
// its keepalive time". Doubling alone would take connection after connection to get where the
// server wants it.
func (p *pingPace) slower() { p.doubled.Add(1) }

// keepalive is the schedule of a new connection.
func (p *pingPace) keepalive() http2.Keepalive {
	set := p.c.keepalive.withDefaults(defaultKeepaliveInterval)
	if set.Interval < 0 {
		return http2.Keepalive{}
	}
	least := time.Duration(minKeepalive)
	if set.PermittedInterval > 0 {
		least = min(least, set.PermittedInterval)
	}
	k := http2.Keepalive{
		Interval: max(set.Interval, least), Timeout: set.Timeout,
		Quiet: set.PermittedInterval, WithoutStreams: set.WithoutCalls,
	}
	if n := p.doubled.Load(); n > 0 {
		k.Interval <<= min(n, 5)
		k.Quiet, k.WithoutStreams = -1, false
	}
	return k
}

// clientChannel closes a client's share of a channel, and knows whether that was done.
type clientChannel struct {
	lease   *channel.Lease
	cleanup runtime.Cleanup
}

// Close implements io.Closer.
func (c *clientChannel) Close() error {
	c.cleanup.Stop()
	return c.lease.Close()
}

// watchDropped lets the garbage collector tell of a client that was dropped without Close, once,
// with the place that made it. Its connections are closed when the last call on them has ended.
// What is watched is what the client's calls share, so that a call or stream under way keeps a
// client that is dropped.
func (c *clientChannel) watchDropped(client *Client, cfg *clientConfig, target, place string) {
	lease, logger := c.lease, cfg.logger
	c.cleanup = runtime.AddCleanup(client.env, func(struct{}) {
		logger.Warn("client dropped without Close", "target", target, "made", place)
		lease.Abandon()
	}, struct{}{})
}

// callerOf returns the place that called the function skip frames up.
func callerOf(skip int) string {
	if _, file, line, ok := runtime.Caller(skip + 1); ok {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return "unknown"
}

// poolKey stands for everything openChannel makes a channel from. Two clients whose keys are equal
// may share it.
func (c *clientConfig) poolKey(target string) any {
	parts := []any{
		target, c.authority, c.userAgent, c.tls, c.connectionLimits(), c.keepalive, c.connTimeout, c.backoff, c.logger,
		c.dialID, c.proxyID, c.noProxy, c.proxyTLS,
		c.serviceConfig, c.serviceConfigJSON, c.channelOptions.policy, c.maxConnections, c.maxConnectionsCap,
		len(c.resolvers), len(c.call.Credentials), fmt.Sprint(c.policies.PolicyNames()),
	}
	for _, b := range c.resolvers {
		parts = append(parts, b)
	}
	for _, cr := range c.call.Credentials {
		parts = append(parts, cr)
	}
	var key any
	for _, p := range parts {
		if v := reflect.ValueOf(p); v.IsValid() && !v.Comparable() {
			p = new(byte) // it cannot be told to be equal to anything: this client gets a channel of its own
		}
		key = [2]any{key, p}
	}
	return key
}
