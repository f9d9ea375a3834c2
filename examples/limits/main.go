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
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/status"
)

func main() {
	srv, err := naru.NewServer(
		naru.WithLimits(limits.Limits{
			MaxReceiveMessageSize: 1 << 10, // bytes
			MaxHeaderListSize:     2 << 10, // bytes
			Handlers:              100,
		}),
		naru.WithLimitsFor("/greeter.Greeter/SayHelloToAll", limits.Limits{MaxReceiveMessageSize: 4 << 10}),
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

	_, err = naru.NewServer(naru.WithLimits(limits.Limits{StreamWindow: -1, ServerMemory: 1}))
	fmt.Println(err)
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
