// Command resolver finds servers by a scheme of its own.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/resolver"
)

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	lis, err := naru.Listen("127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1) // one result
	go func() { served <- srv.ServeContext(ctx, lis) }()

	if err := call(lis.Addr().String()); err != nil {
		log.Fatal(err)
	}
	stop()
	if err := <-served; err != nil {
		log.Fatal(err)
	}
}

func call(addr string) error {
	// A look-up runs again when connections fail, and from time to time.
	registry := resolver.Func("registry", func(_ context.Context, target resolver.Target) (resolver.State, error) {
		if target.Endpoint != "greeter" {
			return resolver.State{}, fmt.Errorf("no service %q in the registry", target.Endpoint)
		}
		return resolver.State{Endpoints: resolver.EndpointsOf(addr)}, nil
	}, resolver.PollOptions{})
	for _, target := range []string{"registry:///greeter", "registry:///barker"} {
		client, err := naru.NewClient(target, naru.WithPlaintext(), naru.WithResolvers(registry))
		if err != nil {
			return err
		}
		reply, err := greeter.NewGreeterClient(client).SayHello(context.Background(), &greeter.HelloRequest{Name: "Ada"})
		fmt.Println(target, reply.GetMessage(), err != nil)
		if err := client.Close(); err != nil {
			return err
		}
	}
	return nil
}
