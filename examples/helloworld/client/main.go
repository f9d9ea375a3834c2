// Command client has itself greeted.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
)

var addr = flag.String("addr", "localhost:50051", "call the server at this host:port")

func main() {
	flag.Parse()
	client, err := naru.NewClient(*addr, naru.WithPlaintext())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	reply, err := greeter.NewGreeterClient(client).SayHello(context.Background(), &greeter.HelloRequest{Name: "world"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.GetMessage())
}
