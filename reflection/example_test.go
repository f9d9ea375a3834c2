package reflection_test

import (
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/reflection"
)

// A server that tools can ask for its services.
func ExampleRegister() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	reflection.Register(srv)
	for _, service := range srv.Services() {
		fmt.Println(service.Name)
	}
	// Output:
	// grpc.reflection.v1.ServerReflection
	// grpc.reflection.v1alpha.ServerReflection
}
