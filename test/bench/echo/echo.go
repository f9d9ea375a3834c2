// Package echo serves and calls naru.bench.v1.Echo through every stack the benchmarks compare,
// behind one pair of interfaces, so that the same load runs on each. Every stack is used the
// way its documentation shows first, with its defaults.
package echo

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"github.com/naru-rpc/naru/test/bench/benchpb"
)

// Impl names a gRPC stack.
type Impl string

// The stacks that run in this process. CPP is a program of its own: see package cpp.
const (
	Naru    Impl = "naru"
	GRPCGo  Impl = "grpc-go"
	Connect Impl = "connect"
	CPP     Impl = "cpp"
)

// Server is an echo server that has not started or is running.
type Server interface {
	// Serve serves lis until Stop, and returns nil then.
	Serve(lis net.Listener) error
	// Stop closes every connection.
	Stop()
}

// Client is a client with one connection. Safe for concurrent use.
type Client interface {
	Unary(ctx context.Context, req *benchpb.Message) (*benchpb.Message, error)
	ServerStream(ctx context.Context, req *benchpb.Message) (Receiver, error)
	ClientStream(ctx context.Context) (Sender, error)
	Bidi(ctx context.Context) (Duplex, error)
	Close() error
}

// Receiver is the client's end of a server stream.
type Receiver interface {
	Recv() (*benchpb.Message, error)
}

// Sender is the client's end of a client stream.
type Sender interface {
	Send(*benchpb.Message) error
	CloseAndRecv() (*benchpb.Message, error)
}

// Duplex is the client's end of a bidirectional stream.
type Duplex interface {
	Send(*benchpb.Message) error
	Recv() (*benchpb.Message, error)
	CloseSend() error
}

// NewServer makes a server. cfg, if not nil, makes it speak TLS; it needs a certificate only.
func NewServer(impl Impl, cfg *tls.Config) (Server, error) {
	switch impl {
	case Naru:
		return newNaruServer(cfg)
	case GRPCGo:
		return newGRPCGoServer(cfg), nil
	case Connect:
		return newConnectServer(cfg), nil
	}
	return nil, unknown(impl)
}

// NewClient makes a client for a server at addr (host:port). cfg as for NewServer.
func NewClient(impl Impl, addr string, cfg *tls.Config) (Client, error) {
	switch impl {
	case Naru:
		return newNaruClient(addr, cfg)
	case GRPCGo:
		return newGRPCGoClient(addr, cfg)
	case Connect:
		return newConnectClient(addr, cfg), nil
	}
	return nil, unknown(impl)
}

func unknown(impl Impl) error {
	names := []string{string(Naru), string(GRPCGo), string(Connect), string(CPP)}
	return fmt.Errorf("stack %q: want one of %s", impl, strings.Join(names, ", "))
}
