// Command inprocess calls a server in the same program, without a network.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
)

// where greets and says how the call came.
type where struct{ greeter.Server }

func (w where) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	peer, _ := naru.PeerFromContext(ctx)
	return &greeter.HelloReply{Message: "Hello, " + req.GetName() + ", over " + peer.Addr.Network() + "!"}, nil
}

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, where{})
	conn, err := naru.InProcess(srv)
	if err != nil {
		log.Fatal(err)
	}
	reply, err := greeter.NewGreeterClient(conn).SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.GetMessage())
	if err := conn.Close(); err != nil {
		log.Fatal(err)
	}
	if err := srv.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
}
