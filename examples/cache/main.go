// Command cache answers repeated calls on the client, and plays a server that is away.
package main

import (
	"context"
	"fmt"
	"log"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

// cache keeps the responses of unary methods that have no side effects.
type cache struct {
	mu        sync.Mutex
	responses map[string]proto.Message // guarded by mu
}

func (c *cache) intercept(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	if call.Kind() != naru.KindUnary || call.Method().Idempotency != naru.NoSideEffects {
		return next(ctx)
	}
	req, err := call.Request()
	if err != nil {
		return err
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(req.(proto.Message))
	if err != nil {
		return err
	}
	key := call.Method().FullMethod + string(encoded)
	c.mu.Lock()
	known := c.responses[key]
	c.mu.Unlock()
	if known != nil {
		return call.SetResponse(known) // next is not called: nothing is sent
	}
	if err := next(ctx); err != nil {
		return err
	}
	response := proto.Clone(call.Response().(proto.Message)) // the caller may change the original
	c.mu.Lock()
	c.responses[key] = response
	c.mu.Unlock()
	return nil
}

// fallback streams one greeting when the server has none to give.
func fallback(ctx context.Context, call *naru.Call, _ func(context.Context) error) error {
	return call.HandleStream(ctx, func(stream naru.ServerStream) error {
		return stream.SendMsg(&greeter.HelloReply{Message: "Hello from the fallback"})
	})
}

// flaky serves one call.
type flaky struct {
	greeter.Server
	once sync.Once
}

func (f *flaky) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	err := status.Error(codes.FailedPrecondition, "the server was already called")
	f.once.Do(func() { err = nil })
	if err != nil {
		return nil, err
	}
	return f.Server.SayHello(ctx, req)
}

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, &flaky{})
	c := &cache{responses: map[string]proto.Message{}}
	conn, stop, err := loopback.Serve(srv, naru.WithInterceptors(c.intercept),
		naru.WithInterceptorsFor(greeter.Greeter_SayHelloInEveryLanguage_FullMethodName, fallback))
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)
	for _, name := range []string{"Ana", "Ana", "Bora"} {
		reply, err := client.SayHello(context.Background(), &greeter.HelloRequest{Name: name})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(reply.GetMessage())
	}
	stream, err := client.SayHelloInEveryLanguage(context.Background(), &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}
	for reply, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reply.GetMessage())
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
