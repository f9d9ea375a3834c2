// Command compression sends the same message as it is, with gzip and with zstd, and prints what
// each took.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"
	"sync/atomic"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

// counted is a connection that counts what is written to it.
type counted struct {
	net.Conn
	written *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p))) // before: the answer may be here before Write returns
	return c.Conn.Write(p)
}

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	var written atomic.Int64
	conn, stop, err := loopback.Serve(srv, naru.WithDialer(
		func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			return counted{c, &written}, err
		}))
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)
	long := &greeter.HelloRequest{Name: strings.Repeat("Ana and ", 2000)}
	for _, name := range []string{"", "gzip", "zstd", "brotli"} {
		before := written.Load()
		if _, err := client.SayHello(context.Background(), long, naru.WithCompression(name)); err != nil {
			fmt.Printf("%-6s  %v\n", name, status.Code(err))
			continue
		}
		size := "more than 16,000 bytes"
		if written.Load()-before < 1000 {
			size = "less than 1,000 bytes"
		}
		fmt.Printf("%-6s  %s\n", name, size)
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
