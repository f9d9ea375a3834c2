// Command server greets whoever calls.
package main

import (
	"context"
	"flag"
	"log"
	"os"
	"os/signal"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
)

var addr = flag.String("addr", ":50051", "listen on this host:port")

type hello struct {
	greeter.UnimplementedGreeterServer
}

func (hello) SayHello(_ context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	return &greeter.HelloReply{Message: "Hello, " + req.GetName() + "!"}, nil
}

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, hello{})
	if err := srv.ListenAndServe(ctx, *addr); err != nil { // drains on Ctrl-C
		log.Fatal(err)
	}
}
