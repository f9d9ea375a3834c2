// Command h2server is something for h2spec, or any other tester of HTTP/2, to hit: a naru server
// with one gRPC service, which answers everything that is not gRPC with 415.
//
//	h2server --addr localhost:8443 --tls
//	h2spec --host localhost --port 8443 --tls --insecure
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/test/internal/interop"
)

func main() {
	addr := flag.String("addr", "localhost:8080", "`address` to listen on")
	tls := flag.Bool("tls", false, "serve TLS, with a certificate for localhost made at start, instead of plaintext")
	flag.Parse()
	if err := run(*addr, *tls); err != nil {
		fmt.Fprintln(os.Stderr, "h2server:", err)
		os.Exit(1)
	}
}

func run(addr string, tls bool) error {
	var opts []naru.ServerOption
	if tls {
		ca, err := devcert.NewAuthority("h2server", 24*time.Hour)
		if err != nil {
			return err
		}
		cert, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
		if err != nil {
			return err
		}
		opts = append(opts, naru.WithTLS(cert.ServerConfig()))
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		return err
	}
	interop.NewServer().Register(srv)
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "h2server: listening on", lis.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { srv.Close() })
	return srv.Serve(lis)
}
