package channel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/serviceconfig"
)

// Destination is where a connection is to be made to.
type Destination struct {
	// Address with the ServerName filled in from the channel's authority if it had none.
	resolver.Address
	// Proxy is the HTTP proxy on the way; nil: none.
	Proxy *url.URL
	// Reached is told how far the attempt has come, for texts. nil: not wanted.
	Reached func(Stage)
}

func (d *Destination) reached(s Stage) {
	if d.Reached != nil {
		d.Reached(s)
	}
}

// DialFunc makes a connection that is ready for streams: the peer's first SETTINGS have arrived. It
// leaves no socket behind when it fails; its error is a *connectivity.Failure where the reason is
// known.
type DialFunc func(ctx context.Context, to Destination) (transport.ClientConn, error)

// Config is what a channel is made from. Zero values mean the defaults.
type Config struct {
	// Target names the service (naming.md of gRPC). Required.
	Target string
	// Resolvers are the schemes the target may have, and DefaultScheme is the one of a target
	// without: "dns" if empty. Required.
	Resolvers     resolver.Registry
	DefaultScheme string
	// Dial makes connections. Required.
	Dial DialFunc
	// Proxy tells which proxy leads to where (gRFC A1). It is asked with the name of a dns target,
	// which is then not looked up but left to the proxy; and with the addresses of targets of other
	// schemes. nil: no proxies.
	Proxy ProxyFunc
	// Ends is what the transport counts into, for Channel.EndCounts. nil: nothing is counted.
	Ends *EndLog
	// OnTooManyPings is called when a peer ended a connection because of too many keepalive pings.
	// nil: not called.
	OnTooManyPings func()
	// Policy is the balancing policy where the service config has none. nil: pick_first.
	Policy balancer.Policy
	// Authority replaces the :authority that follows from the target. "": not.
	Authority string

	// ServiceConfig holds while the resolver brings none. nil: an empty one.
	ServiceConfig *serviceconfig.Config
	// ParseServiceConfig parses configs the resolver finds. nil: it is told not to look for any.
	ParseServiceConfig func(json string) (*serviceconfig.Config, error)

	// Backoff spaces the attempts to connect.
	Backoff connectivity.Backoff
	// ConnectTimeout is the least time an attempt is given, handshakes included:
	// connection-backoff.md, MIN_CONNECT_TIMEOUT. 0: 20 s.
	ConnectTimeout time.Duration
	// IdleTimeout is the time without calls after which connections and resolver are given up until
	// the next call. 0: 30 min (gRFC A62). Negative: never.
	IdleTimeout time.Duration
	// MaxConnections bounds the connections to one address that the peer's limit of concurrent
	// streams may call for (gRFC A105). 0: 4. A service config may set another number, up to
	// MaxConnectionsCap.
	MaxConnections int
	// MaxConnectionsCap bounds what a service config may ask for. 0: 10 (gRFC A105).
	MaxConnectionsCap int
	// ExtraConnectionIdle is the time after which a connection beyond the first of its address is
	// closed if no call uses it. 0: 30 s.
	ExtraConnectionIdle time.Duration

	// MaxAttempts bounds what a service config may ask for as attempts of a call, retried or
	// hedged. 0: 5 (gRFC A6).
	MaxAttempts int

	// UserAgent and Credentials go with the channel's own calls: health watching and load reports.
	UserAgent   string
	Credentials []credentials.PerRPC

	// Logger receives state changes (debug) and failures (info). nil: nothing is logged.
	Logger *slog.Logger
}

// Defaults of Config.
const (
	defaultConnectTimeout      = 20 * time.Second // connection-backoff.md
	defaultIdleTimeout         = 30 * time.Minute // gRFC A62
	defaultMaxConnections      = 4
	defaultMaxConnectionsCap   = 10 // gRFC A105
	defaultExtraConnectionIdle = 30 * time.Second
	defaultMaxAttempts         = 5 // gRFC A6
)

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// complete fills in the defaults and names everything that is wrong.
func (c *Config) complete() error {
	orDefault(&c.DefaultScheme, "dns")
	orDefault(&c.ConnectTimeout, defaultConnectTimeout)
	orDefault(&c.IdleTimeout, defaultIdleTimeout)
	orDefault(&c.MaxConnections, defaultMaxConnections)
	orDefault(&c.MaxConnectionsCap, defaultMaxConnectionsCap)
	orDefault(&c.ExtraConnectionIdle, defaultExtraConnectionIdle)
	orDefault(&c.MaxAttempts, defaultMaxAttempts)
	if c.Policy == nil {
		c.Policy = balancer.PickFirst{}
	}
	if c.ServiceConfig == nil {
		c.ServiceConfig = &serviceconfig.Config{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dial == nil {
		bad("no dial function")
	}
	if c.ConnectTimeout < 0 {
		bad("connect timeout %v is negative", c.ConnectTimeout)
	}
	if c.MaxConnections < 0 {
		bad("connections per address: %d is negative", c.MaxConnections)
	}
	if c.MaxConnectionsCap < 0 {
		bad("largest number of connections per address: %d is negative", c.MaxConnectionsCap)
	}
	if c.ExtraConnectionIdle < 0 {
		bad("idle time of additional connections %v is negative", c.ExtraConnectionIdle)
	}
	if c.MaxAttempts < 0 {
		bad("largest number of attempts: %d is negative", c.MaxAttempts)
	}
	if err := c.Backoff.Validate(); err != nil {
		errs = append(errs, err)
	}
	if v, ok := c.Policy.(balancer.Validator); ok {
		if err := v.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("balancing policy: %w", err))
		}
	}
	if err := c.ServiceConfig.Validate(); err != nil {
		errs = append(errs, err)
	}
	if p := c.ServiceConfig.LoadBalancingConfig; p != nil {
		if _, ok := p.(balancer.Policy); !ok {
			bad("service config: policy %q (%T) is not a balancer.Policy", p.Name(), p)
		}
	}
	return errors.Join(errs...)
}
