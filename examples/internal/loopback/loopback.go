// Package loopback serves an example's server on a port of this machine, so that the example itself
// is about its feature and nothing else.
package loopback

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/naru-rpc/naru"
)

// Serve starts srv on an unused port and returns a client of it, without TLS unless an option says
// otherwise. close ends both.
func Serve(srv *naru.Server, opts ...naru.ClientOption) (client *naru.Client, close func() error, err error) {
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return nil, nil, err
	}
	client, err = naru.NewClient(lis.Addr().String(), append([]naru.ClientOption{naru.WithPlaintext()}, opts...)...)
	if err != nil {
		return nil, nil, errors.Join(err, lis.Close())
	}
	served := make(chan error, 1) // the one result of Serve
	go func() { served <- srv.Serve(lis) }()
	return client, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return errors.Join(client.Close(), srv.Shutdown(ctx), <-served)
	}, nil
}
