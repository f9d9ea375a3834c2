package naru

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/channel"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// Client is a channel to one target. Safe for concurrent use.
type Client struct {
	// immutable
	env          *client.Env
	defaults     callConfig
	interceptors []scopedInterceptor
	scoped       func(path string) limits.Limits // WithLimitsFor; nil: none
	channel      io.Closer
	target       *channel.Channel // nil for in-process clients

	// chains by *MethodInfo, filled as methods are called; atomic: how many were made
	chains  sync.Map
	chained atomic.Int64
}

// maxChains bounds Client.chains: generated code has one MethodInfo a method, but a program may
// call with one a call.
const maxChains = 4096

// InProcess returns a client whose calls go to srv without a network, with everything else as it is
// over one: messages are encoded, limits hold, deadlines and metadata travel, interceptors run on
// both sides, and Shutdown drains. Options about connections are accepted and mean nothing here. It
// fails when an option is wrong, when srv's registrations are, and with [ErrServerClosed] when srv
// was shut down.
func InProcess(srv *Server, opts ...ClientOption) (*Client, error) {
	cfg, err := newClientConfig(opts)
	if err != nil {
		return nil, err
	}
	core, err := srv.start()
	if err != nil {
		return nil, err
	}
	var accepted inproc.HeaderLimits
	accepted.Size, accepted.Fields = cfg.limits.Headers()
	conn, err := core.InProcess(accepted)
	if err != nil {
		return nil, err
	}
	authority := cfg.authority
	if authority == "" {
		authority = "inproc"
	}
	return newClient(cfg, client.SingleConn{Conn: conn}, "inproc", authority, closer{conn}), nil
}

// closer closes an in-process connection as a client's.
type closer struct{ conn transport.ClientConn }

func (c closer) Close() error {
	c.conn.Close(&transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginUser, Token: reason.ClientClosed, Reason: "the client was closed",
	})
	return nil
}

func newClient(cfg *clientConfig, ch client.Channel, target, authority string, closer io.Closer) *Client {
	return &Client{
		env: &client.Env{Channel: ch, Registry: cfg.registry, Authority: authority, UserAgent: cfg.userAgent,
			Observe: observe.NewSet(cfg.stats, stats.Client, target)},
		defaults:     cfg.call,
		interceptors: cfg.interceptors,
		scoped:       cfg.scopedLimits(),
		channel:      closer,
	}
}

// Close ends every call with CANCELLED and closes the connections. Idempotent; always returns nil.
func (c *Client) Close() error { return c.channel.Close() }

// settings returns the options of a call.
func (c *Client) settings(method *MethodInfo, opts []CallOption) (*callConfig, error) {
	if len(opts) == 0 && c.scoped == nil {
		return &c.defaults, nil
	}
	own := c.defaults
	if c.scoped != nil {
		own.limit(c.scoped(method.FullMethod))
	}
	for i, o := range opts {
		if o == nil {
			return nil, status.Errorf(codes.Internal, "call option %d is nil", i)
		}
		o.applyCall(&own)
	}
	if err := errors.Join(own.errs...); err != nil {
		return nil, status.New(codes.Internal, strings.ReplaceAll(err.Error(), "\n", "; ")).WithCause(err).Err()
	}
	return &own, nil
}

// Invoke implements ClientConnInterface. The error is a status error. req is not kept; res is
// filled when the error is nil, and its contents are unspecified otherwise.
func (c *Client) Invoke(ctx context.Context, method *MethodInfo, req, res any, opts ...CallOption) error {
	if len(c.interceptors) > 0 {
		if chain := c.chain(method); len(chain) > 0 {
			return c.invokeThrough(ctx, chain, method, req, res, opts)
		}
	}
	set, err := c.settings(method, opts)
	if err != nil {
		return err
	}
	return client.Invoke(ctx, c.env, method.client(), &set.Settings, req, res)
}

// NewStream implements ClientConnInterface. The error is a status error; the stream must be used
// until its end or closed, see ClientStream.
func (c *Client) NewStream(ctx context.Context, method *MethodInfo, opts ...CallOption) (ClientStream, error) {
	if len(c.interceptors) > 0 {
		if chain := c.chain(method); len(chain) > 0 {
			return c.streamThrough(ctx, chain, method, nil, opts)
		}
	}
	set, err := c.settings(method, opts)
	if err != nil {
		return nil, err
	}
	s, err := client.NewStream(ctx, c.env, method.client(), &set.Settings)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// NewStreamWith begins a call of a server-streaming method with its only request, and sends it in
// one piece. The stream needs no SendMsg and no CloseSend. Otherwise it is as NewStream;
// interceptors know the request (Call.Request).
func (c *Client) NewStreamWith(ctx context.Context, method *MethodInfo, req any, opts ...CallOption) (ClientStream, error) {
	if len(c.interceptors) > 0 {
		if chain := c.chain(method); len(chain) > 0 {
			return c.streamThrough(ctx, chain, method, req, opts)
		}
	}
	set, err := c.settings(method, opts)
	if err != nil {
		return nil, err
	}
	s, err := client.NewStreamWith(ctx, c.env, method.client(), &set.Settings, req)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// chain returns the interceptors of a method.
func (c *Client) chain(m *MethodInfo) []Interceptor {
	if v, ok := c.chains.Load(m); ok {
		return v.([]Interceptor)
	}
	chain := chainFor(c.interceptors, m)
	if c.chained.Add(1) <= maxChains {
		c.chains.Store(m, chain)
	}
	return chain
}
