// Command balancing spreads calls over two servers.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"strings"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/balancer"
	"github.com/naru-rpc/naru/examples/greeter"
)

// named greets with the name of its server.
type named struct {
	greeter.Server
	name string
}

func (n named) SayHello(context.Context, *greeter.HelloRequest) (*greeter.HelloReply, error) {
	return &greeter.HelloReply{Message: n.name}, nil
}

func main() {
	var addresses []string
	for _, name := range []string{"first", "second"} {
		addr, srv, err := serve(name)
		if err != nil {
			log.Fatal(err)
		}
		defer srv.Close()
		addresses = append(addresses, addr)
	}
	client, err := naru.NewClient("ipv4:"+strings.Join(addresses, ","), naru.WithPlaintext(),
		naru.WithBalancer(balancer.RoundRobin{}),
		naru.WithTimeout(10*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// Calls go to the servers that are connected: the first ones may all go to one.
	for seen := map[string]bool{}; len(seen) < 2; {
		seen[call(client)] = true
	}
	counts := map[string]int{}
	for range 100 {
		counts[call(client)]++
	}
	fmt.Println(counts)
}

func call(client *naru.Client) string {
	reply, err := greeter.NewGreeterClient(client).SayHello(context.Background(), &greeter.HelloRequest{})
	if err != nil {
		log.Fatal(err)
	}
	return reply.GetMessage()
}

func serve(name string) (string, *naru.Server, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv, err := naru.NewServer()
	if err != nil {
		return "", nil, err
	}
	greeter.RegisterGreeterServer(srv, named{name: name})
	go func() {
		if err := srv.Serve(lis); err != nil {
			log.Fatal(err)
		}
	}()
	return lis.Addr().String(), srv, nil
}
