package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/health"
)

func Example() {
	dir, err := os.MkdirTemp("", "naru")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	files, ca, err := certificate(dir)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1) // the result of serve
	socket := filepath.Join(dir, "greeter.sock")
	go func() { ended <- serve(ctx, "unix:"+socket, files, "secret", slog.New(slog.DiscardHandler)) }()

	client, err := naru.NewClient("unix://"+socket, naru.WithTLS(ca.ClientConfig()), naru.WithAuthority("greeter.example"))
	if err != nil {
		log.Fatal(err)
	}
	state, err := health.Check(context.Background(), client, "", naru.WaitForReady(true))
	fmt.Println("health:", state, err)
	greet(client)
	token, err := credentials.Bearer("secret")
	if err != nil {
		log.Fatal(err)
	}
	greet(client, naru.WithCredentials(token))

	stop()
	fmt.Println("the server ended:", <-ended)
	if err := client.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// health: SERVING <nil>
	// UNAUTHENTICATED: a valid token is required
	// Hello, Ana!
	// the server ended: <nil>
}

func greet(client *naru.Client, opts ...naru.CallOption) {
	reply, err := greeter.NewGreeterClient(client).SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"}, opts...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(reply.GetMessage())
}

func certificate(dir string) (credentials.TLSFiles, *devcert.Authority, error) {
	files := credentials.TLSFiles{Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key")}
	ca, err := devcert.NewAuthority("example", time.Hour)
	if err != nil {
		return files, nil, err
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"greeter.example"}})
	if err != nil {
		return files, nil, err
	}
	key, err := cert.KeyPEM()
	if err != nil {
		return files, nil, err
	}
	if err := os.WriteFile(files.Cert, cert.CertPEM(), 0o644); err != nil {
		return files, nil, err
	}
	return files, ca, os.WriteFile(files.Key, key, 0o600)
}
