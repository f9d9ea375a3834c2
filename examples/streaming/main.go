// Command streaming makes a call of each of the three kinds that stream.
package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
)

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)
	for _, example := range []func(greeter.GreeterClient) error{serverStream, clientStream, bidi, waiting} {
		if err := example(client); err != nil {
			log.Fatal(err)
		}
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}

// serverStream receives until the end. Leaving the loop early, as here for the third, ends the
// call.
func serverStream(client greeter.GreeterClient) error {
	stream, err := client.SayHelloInEveryLanguage(context.Background(), &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		return err
	}
	n := 0
	for reply, err := range stream.All() {
		if err != nil {
			return err
		}
		fmt.Println(reply.GetMessage())
		if n++; n == 3 {
			break
		}
	}
	return nil
}

// clientStream sends as many as it likes; the answer comes after CloseAndRecv.
func clientStream(client greeter.GreeterClient) error {
	stream, err := client.SayHelloToAll(context.Background())
	if err != nil {
		return err
	}
	for _, name := range []string{"Ana", "Bora", "Chidi"} {
		if err := stream.Send(&greeter.HelloRequest{Name: name}); err != nil {
			return err
		}
	}
	reply, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	fmt.Println(reply.GetMessage())
	return nil
}

// bidi sends and receives in turn; it could as well do both at once, in two goroutines.
func bidi(client greeter.GreeterClient) error {
	stream, err := client.Chat(context.Background())
	if err != nil {
		return err
	}
	defer stream.Close() // releases what the call holds, however this function ends
	for _, name := range []string{"Duc", "Eva"} {
		if err := stream.Send(&greeter.HelloRequest{Name: name}); err != nil {
			return err
		}
		reply, err := stream.Recv()
		if err != nil {
			return err
		}
		fmt.Println(reply.GetMessage())
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("the stream ended with %w, not with io.EOF", err)
	}
	fmt.Println("Goodbye")
	return nil
}
