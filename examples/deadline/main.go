// Command deadline calls a server that calls another one: the time left travels with the handler's
// context.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

// front passes calls on.
type front struct {
	greeter.Server
	back greeter.GreeterClient
}

// SayHello makes its call with the context of its own call: the deadline holds for both.
func (f front) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	return f.back.SayHello(ctx, req)
}

// slow never answers.
type slow struct {
	greeter.Server
	left chan time.Duration // room for the one call: the time it was given
}

func (s slow) SayHello(ctx context.Context, _ *greeter.HelloRequest) (*greeter.HelloReply, error) {
	deadline, _ := ctx.Deadline()
	s.left <- time.Until(deadline)
	<-ctx.Done()
	return nil, status.FromContextError(ctx.Err()).Err()
}

func serve(s greeter.GreeterServer) (greeter.GreeterClient, func() error, error) {
	srv, err := naru.NewServer()
	if err != nil {
		return nil, nil, err
	}
	greeter.RegisterGreeterServer(srv, s)
	conn, stop, err := loopback.Serve(srv)
	return greeter.NewGreeterClient(conn), stop, err
}

func main() {
	backend := slow{left: make(chan time.Duration, 1)}
	back, stopBack, err := serve(backend)
	if err != nil {
		log.Fatal(err)
	}
	client, stopFront, err := serve(front{back: back})
	if err != nil {
		log.Fatal(err)
	}

	start := time.Now()
	_, err = client.SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"}, naru.WithTimeout(100*time.Millisecond))
	took := time.Since(start)
	fmt.Println("the client got:", status.Code(err))
	fmt.Println("after about 100 ms:", took >= 100*time.Millisecond && took < 5*time.Second)
	left := <-backend.left
	fmt.Println("the second server had what was left of it:", left > 0 && left < 100*time.Millisecond)

	for _, stop := range []func() error{stopFront, stopBack} {
		if err := stop(); err != nil {
			log.Fatal(err)
		}
	}
}
