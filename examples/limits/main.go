// Command limits exceeds two limits of a server and shows what the caller is told.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

func main() {
	srv, err := naru.NewServer(
		naru.WithMaxReceiveMessageSize(1<<10), // bytes
		naru.WithMaxHeaderListSize(2<<10),     // bytes
		naru.WithLimits(naru.Limits{Handlers: 100}),
	)
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)

	long := strings.Repeat("a", 2<<10)
	_, err = client.SayHello(context.Background(), &greeter.HelloRequest{Name: long})
	fmt.Println(status.Code(err))
	fmt.Println(status.Convert(err).Message())
	_, err = client.SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"}, naru.WithMetadata("long", long))
	fmt.Println(status.Code(err))
	_, text, _ := strings.Cut(status.Convert(err).Message(), ": ") // behind the address
	fmt.Println(text)

	_, err = naru.NewServer(naru.WithMaxConcurrentStreams(-1), naru.WithLimits(naru.Limits{ServerMemory: 1}))
	fmt.Println(err)
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
