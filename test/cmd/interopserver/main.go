// Command interopserver is naru's server for gRPC's interoperability tests. Any implementation's
// interop client can be pointed at it; the flags are those of grpc-go's server.
//
//	interopserver --port 10000
//	interopserver --port 10000 --tls
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/test/internal/interop"
	"google.golang.org/grpc/testdata"
)

type config struct {
	port     int
	tls      bool
	certFile string
	keyFile  string
}

func main() {
	var c config
	flag.IntVar(&c.port, "port", 10000, "`port` to listen on, on every address; 0 picks a free one")
	flag.BoolVar(&c.tls, "tls", false, "serve TLS instead of plaintext")
	flag.BoolVar(&c.tls, "use_tls", false, "the same as -tls")
	flag.StringVar(&c.certFile, "tls_cert_file", "", "PEM `file` with the certificate; default: the one of gRPC's tests, for *.test.google.fr")
	flag.StringVar(&c.keyFile, "tls_key_file", "", "PEM `file` with its key")
	flag.Parse()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "interopserver:", err)
		os.Exit(1)
	}
}

func run(c config) error {
	opts := []naru.ServerOption{naru.WithInterceptors(interop.ExpectCompressed)}
	if c.tls {
		config, err := c.tlsConfig()
		if err != nil {
			return err
		}
		opts = append(opts, naru.WithTLS(config))
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		return err
	}
	interop.NewServer().Register(srv)
	lis, err := net.Listen("tcp", ":"+strconv.Itoa(c.port))
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "interopserver: listening on", lis.Addr())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		// A case that hangs must not keep the server: what is not done in a second is cut off.
		drain, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		srv.Shutdown(drain)
	})
	return srv.Serve(lis)
}

func (c *config) tlsConfig() (*tls.Config, error) {
	if c.certFile == "" {
		c.certFile, c.keyFile = testdata.Path("server1.pem"), testdata.Path("server1.key")
	}
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
}
