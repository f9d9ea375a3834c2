// Command tlsfiles serves with certificates from PEM files, to clients that have one too.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
)

func main() {
	dir, err := os.MkdirTemp("", "naru")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := writeFiles(dir); err != nil {
		log.Fatal(err)
	}
	file := func(name string) string { return filepath.Join(dir, name) }

	srv, err := naru.NewServer(naru.WithTLSFiles(credentials.TLSFiles{
		Cert: file("server.pem"),
		Key:  file("server.key"),
		CA:   file("ca.pem"), // with a CA, clients must have a certificate
	}))
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	conn, stop, err := loopback.Serve(srv, naru.WithTLSFiles(credentials.TLSFiles{
		Cert: file("client.pem"),
		Key:  file("client.key"),
		CA:   file("ca.pem"),
	}))
	if err != nil {
		log.Fatal(err)
	}
	reply, err := greeter.NewGreeterClient(conn).SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.GetMessage())
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}

// writeFiles makes certificates for this example. In production they come from elsewhere.
func writeFiles(dir string) error {
	ca, err := devcert.NewAuthority("example", time.Hour)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca.CertPEM(), 0o644); err != nil {
		return err
	}
	for name, request := range map[string]devcert.Request{
		"server": {Hosts: []string{"localhost", "127.0.0.1", "::1"}},
		"client": {Name: "Ana"},
	} {
		cert, err := ca.Issue(request)
		if err != nil {
			return err
		}
		key, err := cert.KeyPEM()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), cert.CertPEM(), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".key"), key, 0o600); err != nil {
			return err
		}
	}
	return nil
}
