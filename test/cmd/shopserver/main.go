// Command shopserver serves the shop of examples/shop, with health checking and reflection, for
// programs of other projects to call: grpcurl, and clients in other languages, by gRPC, gRPC-Web
// and Connect.
//
//	shopserver --port 50051
//	shopserver --port 50051 --tls --reflection v1alpha
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
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/reflection"
	"github.com/naru-rpc/naru/web"
)

type config struct {
	port              int
	tls               bool
	certFile, keyFile string
	reflection        string
}

func main() {
	var c config
	flag.IntVar(&c.port, "port", 50051, "`port` to listen on, on localhost")
	flag.BoolVar(&c.tls, "tls", false, "serve TLS instead of plaintext")
	flag.StringVar(&c.certFile, "tls_cert_file", "", "PEM `file` with the certificate; default: one for localhost made at start")
	flag.StringVar(&c.keyFile, "tls_key_file", "", "PEM `file` with its key")
	flag.StringVar(&c.reflection, "reflection", "both", "`version` of reflection to serve: v1, v1alpha or both")
	flag.Parse()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "shopserver:", err)
		os.Exit(1)
	}
}

func run(c config) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opts := []naru.ServerOption{naru.WithWeb(web.Options{}), naru.WithCodecs(encoding.JSON())}
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
	st, err := store.OpenTemporary(ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	shop.Register(srv, st)
	health.Register(srv, health.NewServer())
	switch c.reflection {
	case "v1":
		reflection.RegisterV1(srv)
	case "v1alpha":
		reflection.RegisterV1Alpha(srv)
	case "both":
		reflection.Register(srv)
	default:
		return fmt.Errorf("--reflection=%s: want v1, v1alpha or both", c.reflection)
	}
	return srv.ListenAndServe(ctx, net.JoinHostPort("localhost", strconv.Itoa(c.port)))
}

func (c *config) tlsConfig() (*tls.Config, error) {
	if c.certFile != "" {
		cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{cert}}, nil
	}
	ca, err := devcert.NewAuthority("shopserver", 24*time.Hour)
	if err != nil {
		return nil, err
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	if err != nil {
		return nil, err
	}
	return cert.ServerConfig(), nil
}
