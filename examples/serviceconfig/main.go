// Command serviceconfig sets timeouts of methods from the outside, and shows what a mistake in them
// looks like.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

// slow waits for the end of each call.
type slow struct{ greeter.Server }

func (slow) SayHello(ctx context.Context, _ *greeter.HelloRequest) (*greeter.HelloReply, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

const config = `{"methodConfig": [{
	"name": [{"service": "greeter.Greeter", "method": "SayHello"}],
	"timeout": "0.05s"
}]}`

const mistaken = `{"methodConfig": [{
	"name": [{"service": "greeter.Greeter"}],
	"timout": "0.05s"
}]}`

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, slow{})
	conn, stop, err := loopback.Serve(srv, naru.WithServiceConfigJSON(config))
	if err != nil {
		log.Fatal(err)
	}
	_, err = greeter.NewGreeterClient(conn).SayHello(context.Background(), &greeter.HelloRequest{})
	fmt.Println(status.Code(err))

	_, err = naru.NewClient("localhost:50051", naru.WithServiceConfigJSON(mistaken))
	fmt.Println(err)
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
