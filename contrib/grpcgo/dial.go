package grpcgo

import (
	"context"
	"fmt"
	"net/url"

	"github.com/naru-rpc/naru"
	narustate "github.com/naru-rpc/naru/connectivity"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	grpcresolver "google.golang.org/grpc/resolver"
	grpcstatus "google.golang.org/grpc/status"
)

var plainCredentials = grpc.WithTransportCredentials(insecure.NewCredentials())

// ClientConn is a connection with the methods of grpc.ClientConn that programs use, whose calls
// naru makes. Safe for concurrent use.
type ClientConn struct {
	*Conn
	target string
}

// NewClient returns a connection to a target, with the options of grpc.NewClient. Interceptors are
// given a *grpc.ClientConn that knows the target and makes no calls. The error names every option
// that cannot be carried over and what to do about it.
func NewClient(target string, opts ...grpc.DialOption) (*ClientConn, error) {
	cc, _, err := newClient(target, "", opts)
	return cc, err
}

func newClient(target, scheme string, opts []grpc.DialOption) (*ClientConn, *dialOptions, error) {
	if scheme != "" && !hasScheme(target) {
		target = scheme + ":///" + target
	}
	o, err := readDialOptions(target, opts)
	if err != nil {
		return nil, nil, err
	}
	own := []naru.ClientOption{Encoding()}
	if len(o.config.stats) > 0 {
		own = append(own, naru.WithInterceptors(clientInterceptor))
	}
	own = append(own, o.naru...)
	for _, opt := range opts {
		if more, ok := opt.(clientOptionsOfNaru); ok {
			own = append(own, more.opts...)
		}
	}
	c, err := naru.NewClient(target, own...)
	if err != nil {
		return nil, nil, fmt.Errorf("grpcgo: %w", err)
	}
	return &ClientConn{Conn: newConn(c, o.config), target: target}, o, nil
}

// hasScheme reports whether a target names a scheme somebody knows.
func hasScheme(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.Scheme == "" {
		return false
	}
	switch u.Scheme {
	case "dns", "passthrough", "unix", "unix-abstract", "ipv4", "ipv6", "file":
		return true
	}
	return grpcresolver.Get(u.Scheme) != nil
}

// NaruClientOptions returns an option for NewClient that holds options of naru. They come after
// those of grpc-go. A client of grpc-go ignores it.
func NaruClientOptions(opts ...naru.ClientOption) grpc.DialOption {
	return clientOptionsOfNaru{opts: opts}
}

type clientOptionsOfNaru struct {
	grpc.EmptyDialOption
	opts []naru.ClientOption
}

// Dial is DialContext without a context.
func Dial(target string, opts ...grpc.DialOption) (*ClientConn, error) {
	return DialContext(context.Background(), target, opts...)
}

// DialContext is NewClient as grpc.DialContext is grpc.NewClient: a target without a scheme goes to
// the dialer as it is, and with grpc.WithBlock it waits until there is a connection, or returns the
// reason when ctx ends, or the time of grpc.WithTimeout.
func DialContext(ctx context.Context, target string, opts ...grpc.DialOption) (*ClientConn, error) {
	cc, o, err := newClient(target, "passthrough", opts)
	if err != nil {
		return nil, err
	}
	cc.Connect()
	if !o.block {
		return cc, nil
	}
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	if err := cc.client.WaitReady(ctx); err != nil {
		cc.Close()
		if o.returnLastErr {
			return nil, fmt.Errorf("%w: %w", ctx.Err(), err)
		}
		return nil, ctx.Err()
	}
	return cc, nil
}

// Close ends every call with CANCELLED and closes the connections. It may be called more than once:
// as with grpc.ClientConn, later calls return an error.
func (c *ClientConn) Close() error {
	if c.client.State() == narustate.Shutdown {
		//lint:ignore SA1019 what grpc.ClientConn returns, and programs compare
		return grpc.ErrClientConnClosing
	}
	return c.client.Close()
}

// Target returns the target the connection was made for.
func (c *ClientConn) Target() string { return c.target }

// Connect begins to connect if the connection is idle, without waiting.
func (c *ClientConn) Connect() { c.client.Connect() }

// GetState returns the state of the connections.
func (c *ClientConn) GetState() connectivity.State { return stateOf(c.client.State()) }

// WaitForStateChange waits until the state is another than last, and returns false if ctx ends
// first.
func (c *ClientConn) WaitForStateChange(ctx context.Context, last connectivity.State) bool {
	for _, s := range []narustate.State{narustate.Idle, narustate.Connecting, narustate.Ready, narustate.TransientFailure, narustate.Shutdown} {
		if stateOf(s) == last {
			return c.client.WaitForStateChange(ctx, s)
		}
	}
	return true
}

func stateOf(s narustate.State) connectivity.State {
	switch s {
	case narustate.Idle:
		return connectivity.Idle
	case narustate.Connecting:
		return connectivity.Connecting
	case narustate.Ready:
		return connectivity.Ready
	case narustate.TransientFailure:
		return connectivity.TransientFailure
	}
	return connectivity.Shutdown
}

// Redirect returns dial options with which a *grpc.ClientConn makes all its calls on c: for
// libraries that dial by themselves, or take no less than a *grpc.ClientConn. They go after all
// other options with interceptors, whose interceptors run first. The *grpc.ClientConn connects to
// nothing by itself: its state says nothing about c.
func Redirect(c grpc.ClientConnInterface) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, _ *grpc.ClientConn, _ grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			return c.Invoke(ctx, method, req, reply, opts...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, _ *grpc.ClientConn, method string, _ grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			return c.NewStream(ctx, desc, method, opts...)
		}),
	}
}

// AsClientConn returns a *grpc.ClientConn whose calls c makes, for functions that take no less:
// option.WithGRPCConn of google.golang.org/api is one. See [Redirect]. Close it when it is not
// needed any more; c stays open.
func AsClientConn(c grpc.ClientConnInterface) (*grpc.ClientConn, error) {
	opts := append([]grpc.DialOption{plainCredentials}, Redirect(c)...)
	cc, err := grpc.NewClient("passthrough:///naru", opts...)
	if err != nil {
		return nil, grpcstatus.Errorf(codes.Internal, "grpcgo: %v", err)
	}
	return cc, nil
}
