// Command probe is a service that checks its own health when it is called as "probe health
// host:port", so that its container image needs no second program.
package main

import (
	"context"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/health/narucli"
)

func main() {
	narucli.Main()
	srv, err := newServer()
	if err != nil {
		log.Fatal(err)
	}
	if err := naru.Run(context.Background(), srv, ":50051"); err != nil {
		log.Fatal(err)
	}
}

func newServer() (*naru.Server, error) {
	srv, err := naru.NewServer()
	if err != nil {
		return nil, err
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	health.Register(srv, health.NewServer())
	return srv, nil
}
