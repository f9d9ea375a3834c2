// Command interceptor runs the same interceptor on both sides, for calls of every kind, and one on
// the server that refuses calls.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// tell returns an interceptor that prints when calls start and end.
func tell(who string) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		fmt.Printf("%s: %s starts\n", who, call.Method().Name())
		err := next(ctx)
		fmt.Printf("%s: %s ended: %v\n", who, call.Method().Name(), status.Code(err))
		return err
	}
}

// authorize lets calls pass that bring the password. The message of one that does not is never
// decoded.
func authorize(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
	if got := metadata.ValueFromIncomingContext(ctx, "password"); len(got) != 1 || got[0] != "please" {
		return status.Error(codes.Unauthenticated, "say please")
	}
	return next(ctx)
}

func main() {
	srv, err := naru.NewServer(naru.WithInterceptors(tell("server"), authorize)) // the first is outermost
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	conn, stop, err := loopback.Serve(srv, naru.WithInterceptors(tell("client")))
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)

	_, err = client.SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"})
	fmt.Println(err)

	ctx := metadata.AppendToOutgoingContext(context.Background(), "password", "please")
	stream, err := client.SayHelloInEveryLanguage(ctx, &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}
	n := 0
	for _, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		n++
	}
	fmt.Println(n, "greetings")
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
