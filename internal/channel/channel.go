package channel

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/logs"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// Channel is the connections to one target. Safe for concurrent use.
type Channel struct {
	// immutable after New
	cfg       Config
	name      string // the target, shortened for texts
	target    resolver.Target
	res       resolver.Resolver
	authority string
	proxy     *url.URL        // that leads to a dns target; nil: none
	ctx       context.Context // ends with Close; parent of all attempts
	cancel    context.CancelFunc
	closed    chan struct{} // closed by Close
	wg        sync.WaitGroup

	// atomic
	snap     atomic.Pointer[snapshot]
	methods  atomic.Pointer[methodTable]
	sticky   atomic.Bool   // the policy is content with one connection
	resolved chan struct{} // closed by the loop after the resolver's first answer
	waiting  atomic.Int64  // calls that wait in pickSlow
	slow     atomic.Uint64 // calls that ever waited, for the idle timer

	loop serial
	// owned by the event loop
	active   *activeResolver // nil while idle
	policies policySwitch
	subs     map[*subConn]struct{} // not shut down
	leaving  map[*conn]struct{}    // take no new calls, but still have some
	idle     idleTimer
	answered bool // resolved is closed
	done     bool // Close ran

	failures failureLog
	logs     logs.Limiter
	trying   trying
}

// New returns a channel in state IDLE. It does no I/O; errors are mistakes in the configuration.
func New(cfg Config) (*Channel, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("client for %q: %w", brief.Text(cfg.Target, maxBrief), err)
	}
	target, builder, err := cfg.Resolvers.Parse(cfg.Target, cfg.DefaultScheme)
	if err != nil {
		return nil, err
	}
	proxy, builder, err := nameProxy(&cfg, target, builder)
	if err != nil {
		return nil, fmt.Errorf("client for %q: proxy: %w", brief.Text(cfg.Target, maxBrief), err)
	}
	res, err := builder.Build(target, resolver.Options{
		ParseServiceConfig: cfg.ParseServiceConfig,
		Logger:             cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	c := &Channel{
		cfg:       cfg,
		name:      brief.Text(cfg.Target, maxBrief),
		logs:      logs.Limiter{Burst: logBurst},
		target:    target,
		res:       res,
		proxy:     proxy,
		authority: cfg.Authority,
		closed:    make(chan struct{}),
		resolved:  make(chan struct{}),
		subs:      map[*subConn]struct{}{},
		leaving:   map[*conn]struct{}{},
	}
	if c.authority == "" {
		c.authority = defaultAuthority(builder, target)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.policies.ch = c
	c.snap.Store(idleSnapshot())
	c.methods.Store(newMethodTable(cfg.ServiceConfig, cfg.MaxAttempts, nil))
	return c, nil
}

// nameProxy returns the proxy that leads to a dns target, nil if there is none, and the builder for
// it: a name that is reached through a proxy is not looked up, because there may be no name server
// on this side of it (gRFC A1, case 1).
func nameProxy(cfg *Config, t resolver.Target, b resolver.Builder) (*url.URL, resolver.Builder, error) {
	if cfg.Proxy == nil || t.Scheme != "dns" || t.Authority != "" {
		return nil, b, nil
	}
	host, port, err := resolver.SplitHostPort(t.Endpoint)
	if err != nil {
		return nil, b, nil // the builder says it better
	}
	hostport := net.JoinHostPort(host, port)
	proxy, err := cfg.Proxy(hostport)
	if err != nil || proxy == nil {
		return nil, b, err
	}
	return proxy, withAuthority{resolver.Static("dns", resolver.EndpointsOf(hostport)...), b}, nil
}

// destination adds to an address what is the channel's to know. It may call the user's ProxyFunc,
// and is called outside the event loop.
func (c *Channel) destination(a resolver.Address) (Destination, error) {
	d := Destination{Address: a, Proxy: c.proxy}
	orDefault(&d.ServerName, c.authority)
	if c.cfg.Proxy == nil || c.target.Scheme == "dns" || d.Network != "" && d.Network != "tcp" {
		return d, nil
	}
	proxy, err := c.cfg.Proxy(a.Addr)
	if err != nil {
		return d, proxyFailure(a.Addr, nil, "which proxy to use cannot be told", err)
	}
	d.Proxy = proxy
	return d, nil
}

// withAuthority is a builder with another's authority.
type withAuthority struct {
	resolver.Builder
	other resolver.Builder
}

func (w withAuthority) Authority(t resolver.Target) string { return defaultAuthority(w.other, t) }

func defaultAuthority(b resolver.Builder, t resolver.Target) string {
	if ab, ok := b.(resolver.AuthorityBuilder); ok {
		return ab.Authority(t)
	}
	return t.Endpoint
}

// Target returns the target as it was given.
func (c *Channel) Target() string { return c.cfg.Target }

// Authority returns the :authority of calls that do not set their own.
func (c *Channel) Authority() string { return c.authority }

// Close ends every call and connection and returns when no goroutine of the channel is left.
// Further calls fail with CANCELED. Idempotent.
func (c *Channel) Close() error {
	c.loop.wait(c.shutdown)
	c.wg.Wait()
	return nil
}

func (c *Channel) shutdown() {
	if c.done {
		return
	}
	c.done = true
	close(c.closed)
	c.stopIdleTimer()
	c.stopResolver()
	c.policies.close()
	c.cancel()
	c.publish(&snapshot{state: connectivity.Shutdown, picker: closedPicker, failure: errClosed})
	err := &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser,
		Token: reason.ClientClosed, Reason: "the client was closed",
	}
	for s := range maps.Clone(c.subs) {
		s.shutdown()
	}
	for t := range c.leaving {
		t.t.Close(err)
	}
}
