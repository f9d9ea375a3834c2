package grpcgo

import (
	"context"
	"net"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/serviceconfig"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	grpcresolver "google.golang.org/grpc/resolver"
	"google.golang.org/grpc/stats"
)

// dialOptions is what grpc.DialOptions say.
type dialOptions struct {
	naru          []naru.ClientOption
	config        connConfig
	target        string // as grpc-go resolves it
	scheme        string // for targets without a known one
	block         bool
	timeout       time.Duration
	returnLastErr bool
}

// readDialOptions reads options as a client of grpc-go has understood them. An error of grpc-go's
// is returned as it is.
func readDialOptions(target string, opts []grpc.DialOption) (*dialOptions, error) {
	cc, err := grpc.NewClient(target, opts...)
	if err != nil {
		return nil, err
	}
	defer cc.Close()
	plain, err := grpc.NewClient(target, plainCredentials)
	if err != nil { // the target's scheme is one that opts bring
		if plain, err = grpc.NewClient("passthrough:///plain", plainCredentials); err != nil {
			return nil, err
		}
	}
	defer plain.Close()
	f, err := fieldsOf(cc, plain, "dopts")
	if err != nil {
		return nil, err
	}
	o := &dialOptions{
		target: target,
		config: connConfig{
			unary:  field[grpc.UnaryClientInterceptor](f, "unaryInt"), // the whole chain
			stream: field[grpc.StreamClientInterceptor](f, "streamInt"),
			calls:  field[[]grpc.CallOption](f, "callOptions"),
			self:   cc,
		},
		block: field[bool](f, "block"), returnLastErr: field[bool](f, "returnLastError"),
		timeout: field[time.Duration](f, "timeout"), scheme: field[string](f, "defaultScheme"),
	}
	f.seen["chainUnaryInts"], f.seen["chainStreamInts"] = true, true
	if c := f.sub("copts"); c != nil {
		o.readTransport(c, field[string](f, "authority"))
		c.rest()
		f.errs = append(f.errs, c.errs...)
	}
	o.readChannel(f)
	o.refuse(f)
	f.rest()
	return o, f.error("new client")
}

func (o *dialOptions) add(opt naru.ClientOption) { o.naru = append(o.naru, opt) }

// readTransport reads what is said of connections.
func (o *dialOptions) readTransport(f *fields, authority string) {
	o.config.creds = field[[]credentials.PerRPCCredentials](f, "PerRPCCredentials")
	creds := field[credentials.TransportCredentials](f, "TransportCredentials")
	if b := field[credentials.Bundle](f, "CredsBundle"); b != nil {
		creds = b.TransportCredentials()
		if per := b.PerRPCCredentials(); per != nil {
			o.config.creds = append(o.config.creds[:len(o.config.creds):len(o.config.creds)], per)
		}
	}
	t, err := transportOf(creds)
	switch {
	case err != nil:
		f.refuse("WithTransportCredentials", err.Error())
	case t.plain:
		o.add(naru.WithPlaintext())
	default:
		o.add(naru.WithTLS(t.config))
	}
	if authority == "" {
		authority = t.serverName
	}
	if authority != "" {
		o.add(naru.WithAuthority(authority))
	}
	if prefix, ok := strings.CutSuffix(field[string](f, "UserAgent"), "grpc-go/"+grpc.Version); ok {
		o.add(naru.WithUserAgent(strings.TrimSpace(prefix)))
	}
	if dial := field[func(context.Context, string) (net.Conn, error)](f, "Dialer"); dial != nil {
		o.add(naru.WithDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			return dial(ctx, dialAddress(network, address))
		}))
	}
	if k := field[keepalive.ClientParameters](f, "KeepaliveParams"); k != (keepalive.ClientParameters{}) {
		o.add(naru.WithKeepalive(naru.Keepalive{
			Interval: k.Time, Timeout: k.Timeout, PermittedInterval: k.Time, WithoutCalls: k.PermitWithoutStream,
		}))
	}
	o.config.stats = field[[]stats.Handler](f, "StatsHandlers")
	if n := field[*uint32](f, "MaxHeaderListSize"); n != nil {
		o.add(naru.WithLimits(limits.Limits{MaxHeaderListSize: int(min(*n, 1<<28))}))
	}
	for name, option := range map[string]string{
		"InitialWindowSize": "WithInitialWindowSize", "InitialConnWindowSize": "WithInitialConnWindowSize",
		"StaticWindowSize": "WithStaticStreamWindowSize", "WriteBufferSize": "WithWriteBufferSize", "ReadBufferSize": "WithReadBufferSize",
		"SharedWriteBuffer": "WithSharedWriteBuffer", "BufferPool": "bufferPool", "FailOnNonTempDialError": "FailOnNonTempDialError",
		"ChannelzParent": "WithChannelzParentID",
	} {
		if f.changed(name) {
			tuned("client", option)
		}
	}
}

// dialAddress is the address a dialer of grpc-go is given.
func dialAddress(network, address string) string {
	if network == "unix" && !strings.HasPrefix(address, "@") && !strings.HasPrefix(address, "\x00") {
		if filepath.IsAbs(address) {
			return "unix://" + address
		}
		return "unix:" + address
	}
	return address
}

// readChannel reads what is said of names, balancing and repetition.
func (o *dialOptions) readChannel(f *fields) {
	noHealth := field[bool](f, "disableHealthCheck")
	f.seen["defaultServiceConfig"] = true
	if text := field[*string](f, "defaultServiceConfigRawJSON"); text != nil {
		sc, err := serviceconfig.ParseLenient(*text, balancer.Builtin())
		switch {
		case err != nil:
			f.refuse("WithDefaultServiceConfig", err.Error())
		default:
			if noHealth {
				sc.HealthCheckConfig = nil
			}
			o.add(naru.WithServiceConfig(sc))
		}
	}
	if field[bool](f, "disableRetry") {
		o.config.naru = append(o.config.naru, naru.WithoutRetry())
	}
	o.add(naru.WithLimits(limits.Limits{MaxAttempts: field[int](f, "maxCallAttempts")}))
	if d := field[time.Duration](f, "idleTimeout"); d > 0 {
		o.add(naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: d}))
	} else {
		o.add(naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: -1}))
	}
	if !field[bool](f, "useProxy") {
		o.add(naru.WithProxy(nil))
	}
	if f.changed("enableLocalDNSResolution") {
		tuned("client", "WithLocalDNSResolution")
	}
	if least := field[func() time.Duration](f, "minConnectTimeout"); least != nil && least() > 0 {
		o.add(naru.WithConnectTimeout(least()))
	}
	if f.changed("bs") {
		o.readBackoff(f)
	}
	plugins := resolverOptions{noConfig: field[bool](f, "disableServiceConfig"), noHealth: noHealth}
	o.readResolvers(field[[]grpcresolver.Builder](f, "resolvers"), plugins)
}

func (o *dialOptions) readBackoff(f *fields) {
	v := reflect.ValueOf(f.opaque("bs"))
	if v.Kind() == reflect.Struct {
		if c, ok := v.FieldByName("Config").Interface().(backoff.Config); ok {
			jitter := c.Jitter
			if jitter == 0 {
				jitter = -1
			}
			o.add(naru.WithBackoff(connectivity.Backoff{BaseDelay: c.BaseDelay, Multiplier: c.Multiplier, Jitter: jitter, MaxDelay: c.MaxDelay}))
			return
		}
	}
	f.refuse("WithConnectParams", "its backoff is of an unknown kind")
}

func (o *dialOptions) refuse(f *fields) {
	for name, option := range map[string]string{"compressorV0": "WithCompressor", "dc": "WithDecompressor"} {
		if f.changed(name) {
			f.refuse(option, "register the compressor with encoding.RegisterCompressor, and use grpc.UseCompressor in WithDefaultCallOptions")
		}
	}
	if f.changed("binaryLogger") {
		f.refuse("WithBinaryLogger", "naru writes no binary log; use an interceptor")
	}
	if f.changed("channelzParent") {
		tuned("client", "WithChannelzParentID")
	}
}
