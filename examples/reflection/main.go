// Command reflection serves its own schema, for tools such as naru list and grpcurl.
package main

import (
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/reflection"
)

func main() {
	srv, err := newServer()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	for _, s := range srv.Services() {
		fmt.Println(s.Name, len(s.Methods))
	}
}

func newServer() (*naru.Server, error) {
	srv, err := naru.NewServer()
	if err != nil {
		return nil, err
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	reflection.Register(srv)
	return srv, nil
}
