// Command client is the client of the guide's first page.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/quickstart/proto/hello"
)

var addr = flag.String("addr", "localhost:50051", "call the server at this host:port")

func main() {
	flag.Parse()
	client, err := naru.NewClient(*addr, naru.WithPlaintext())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	reply, err := hello.NewGreeterClient(client).SayHello(ctx, &hello.HelloRequest{Name: "world"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.GetMessage())
}
