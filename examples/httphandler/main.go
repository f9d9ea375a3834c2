// Command httphandler serves gRPC and plain HTTP on one port.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	srv, err := naru.NewServer(naru.WithHTTPHandler(mux))
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1) // the result of Serve
	go func() { served <- srv.Serve(lis) }()

	callGRPC(lis.Addr().String())
	get("http://" + lis.Addr().String() + "/livez")

	if err := srv.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := <-served; err != nil {
		log.Fatal(err)
	}
}

func callGRPC(addr string) {
	client, err := naru.NewClient(addr, naru.WithPlaintext())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	reply, err := greeter.NewGreeterClient(client).SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("gRPC:", reply.GetMessage())
}

func get(url string) {
	response, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(response.Proto, ": ", string(body))
	http.DefaultClient.CloseIdleConnections()
}
