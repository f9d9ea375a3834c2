// Command server is the server of the guide's first page.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/quickstart/proto/hello"
	"github.com/naru-rpc/naru/reflection"
)

var addr = flag.String("addr", ":50051", "listen on this host:port")

type greeter struct{}

func (greeter) SayHello(_ context.Context, req *hello.HelloRequest) (*hello.HelloReply, error) {
	return &hello.HelloReply{Message: "Hello, " + req.GetName() + "!"}, nil
}

func main() {
	flag.Parse()
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	hello.RegisterGreeterServer(srv, greeter{})
	reflection.Register(srv) // lets tools ask for the services
	if err := naru.Run(context.Background(), srv, *addr); err != nil {
		log.Fatal(err)
	}
}
