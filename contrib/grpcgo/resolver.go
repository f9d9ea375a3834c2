package grpcgo

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/resolver"
	naruconfig "github.com/naru-rpc/naru/serviceconfig"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
)

// resolverOptions are settings of a client that concern what resolvers bring.
type resolverOptions struct {
	noConfig bool // service configs are not taken
	noHealth bool // nor is health checking
}

// Resolver returns a resolver of grpc-go as naru takes it (naru.WithResolvers): addresses,
// endpoints and service configs. Attributes are not carried over. NewClient does it for those of
// grpc.WithResolvers, and for one registered with grpc-go for the target's scheme.
func Resolver(b grpcresolver.Builder) resolver.Builder { return adaptResolver(b, resolverOptions{}) }

func adaptResolver(b grpcresolver.Builder, opts resolverOptions) resolver.Builder {
	adapted := resolverBuilder{b, opts}
	if o, ok := b.(grpcresolver.AuthorityOverrider); ok {
		return authorityBuilder{adapted, o}
	}
	return adapted
}

// readResolvers adds the resolvers of a client: those given, and one registered with grpc-go for
// the target's scheme.
func (o *dialOptions) readResolvers(given []grpcresolver.Builder, opts resolverOptions) {
	var builders []resolver.Builder
	if u, err := url.Parse(o.target); err == nil && u.Scheme != "" {
		if b := grpcresolver.Get(u.Scheme); b != nil && !ofGRPCGo(b) {
			builders = append(builders, adaptResolver(b, opts))
		}
	}
	for _, b := range given {
		builders = append(builders, adaptResolver(b, opts))
	}
	if len(builders) > 0 {
		o.add(naru.WithResolvers(builders...))
	}
}

// ofGRPCGo reports whether b is one of grpc-go's built-in resolvers, in whose place naru's do the
// same.
func ofGRPCGo(b grpcresolver.Builder) bool {
	t := reflect.TypeOf(b)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.HasPrefix(t.PkgPath(), "google.golang.org/grpc/internal/resolver/")
}

type resolverBuilder struct {
	builder grpcresolver.Builder
	opts    resolverOptions
}

// Scheme implements resolver.Builder.
func (b resolverBuilder) Scheme() string { return b.builder.Scheme() }

// Build implements resolver.Builder. grpc-go's Build is left to Run: it may do I/O.
func (b resolverBuilder) Build(target resolver.Target, opts resolver.Options) (resolver.Resolver, error) {
	t, err := grpcTarget(target)
	if err != nil {
		return nil, err
	}
	return &runningResolver{builder: b.builder, opts: b.opts, target: t, parse: opts.ParseServiceConfig}, nil
}

func grpcTarget(target resolver.Target) (grpcresolver.Target, error) {
	u, err := url.Parse(target.String())
	if err != nil {
		return grpcresolver.Target{}, err
	}
	return grpcresolver.Target{URL: *u}, nil
}

// authorityBuilder is a resolverBuilder that says which authority calls carry.
type authorityBuilder struct {
	resolverBuilder
	overrider grpcresolver.AuthorityOverrider
}

// Authority implements resolver.AuthorityBuilder.
func (b authorityBuilder) Authority(target resolver.Target) string {
	t, err := grpcTarget(target)
	if err != nil {
		return target.Endpoint
	}
	return b.overrider.OverrideAuthority(t)
}

// runningResolver is a resolver of grpc-go as naru's channel runs it.
type runningResolver struct {
	builder grpcresolver.Builder
	opts    resolverOptions
	target  grpcresolver.Target
	parse   func(json string) (*naruconfig.Config, error) // nil: not wanted
}

// Run implements resolver.Resolver. naru wants its watcher used on this goroutine, and grpc-go's
// resolver may call back from within each of its methods: these run on a goroutine of their own,
// which ends with Run.
func (r *runningResolver) Run(ctx context.Context, w resolver.Watcher) {
	cc := &resolverConn{r: r, ctx: ctx, requests: make(chan func(resolver.Watcher))}
	refresh := make(chan struct{}, 1) // capacity 1: one look-up serves all who ask for it
	done := make(chan struct{})       // closed when the other goroutine has ended
	go func() {
		defer close(done)
		r.drive(ctx, cc, refresh)
	}()
	for {
		select {
		case f := <-cc.requests:
			f(w)
		case <-w.Refresh():
			select {
			case refresh <- struct{}{}:
			default:
			}
		case <-done:
			return
		}
	}
}

// drive calls grpc-go's resolver until ctx ends.
func (r *runningResolver) drive(ctx context.Context, cc *resolverConn, refresh <-chan struct{}) {
	var built grpcresolver.Resolver
	for {
		var err error
		if built == nil {
			if built, err = r.builder.Build(r.target, cc, grpcresolver.BuildOptions{DisableServiceConfig: r.opts.noConfig}); err != nil {
				built = nil
				cc.ReportError(err)
			}
		} else {
			built.ResolveNow(grpcresolver.ResolveNowOptions{})
		}
		select {
		case <-refresh:
		case <-ctx.Done():
			if built != nil {
				built.Close()
			}
			return
		}
	}
}

// resolverConn is the grpcresolver.ClientConn that a resolver reports to. Safe for concurrent use.
type resolverConn struct {
	r        *runningResolver
	ctx      context.Context
	requests chan func(resolver.Watcher) // unbuffered; never closed
}

var errResolverClosed = errors.New("grpcgo: the resolver was closed")

// do runs f on the channel's goroutine.
func (c *resolverConn) do(f func(resolver.Watcher) error) error {
	result := make(chan error, 1) // capacity 1: f is not to wait
	select {
	case c.requests <- func(w resolver.Watcher) { result <- f(w) }:
		return <-result
	case <-c.ctx.Done():
		return errResolverClosed
	}
}

// UpdateState implements grpcresolver.ClientConn.
func (c *resolverConn) UpdateState(s grpcresolver.State) error {
	state := resolver.State{}
	for _, e := range s.Endpoints {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: addressesOf(e.Addresses)})
	}
	if len(s.Endpoints) == 0 {
		for _, a := range addressesOf(s.Addresses) {
			state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{a}})
		}
	}
	if sc := s.ServiceConfig; sc != nil && !c.r.opts.noConfig {
		state.ServiceConfigErr = sc.Err
		if parsed, ok := sc.Config.(parsedConfig); ok {
			state.ServiceConfig = parsed.config
		}
	}
	return c.do(func(w resolver.Watcher) error { return w.Update(state) })
}

// addressesOf translates addresses. One with a slash or a leading @ is a unix socket's.
func addressesOf(addrs []grpcresolver.Address) []resolver.Address {
	var list []resolver.Address
	for _, a := range addrs {
		for _, e := range resolver.EndpointsOf(a.Addr) {
			out := e.Addresses[0]
			out.ServerName = a.ServerName
			list = append(list, out)
		}
	}
	return list
}

// ReportError implements grpcresolver.ClientConn.
func (c *resolverConn) ReportError(err error) {
	_ = c.do(func(w resolver.Watcher) error { w.Fail(err); return nil }) // the method has no result
}

// NewAddress implements grpcresolver.ClientConn.
func (c *resolverConn) NewAddress(addrs []grpcresolver.Address) {
	_ = c.UpdateState(grpcresolver.State{Addresses: addrs}) // the method has no result
}

// ParseServiceConfig implements grpcresolver.ClientConn.
func (c *resolverConn) ParseServiceConfig(json string) *serviceconfig.ParseResult {
	if c.r.parse == nil {
		return &serviceconfig.ParseResult{Err: errors.New("grpcgo: service configs are not wanted")}
	}
	config, err := c.r.parse(json)
	if err != nil {
		return &serviceconfig.ParseResult{Err: err}
	}
	if c.r.opts.noHealth {
		copied := *config
		copied.HealthCheckConfig = nil
		config = &copied
	}
	return &serviceconfig.ParseResult{Config: parsedConfig{config: config}}
}

// parsedConfig is a service config of naru on its way through a resolver of grpc-go.
type parsedConfig struct {
	serviceconfig.Config // nil: what makes it one
	config               *naruconfig.Config
}
