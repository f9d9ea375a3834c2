// Command mounted serves gRPC from a net/http server that was there before, beside its pages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
)

// handler sends gRPC calls to srv and everything else to pages.
func handler(srv *naru.Server, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			srv.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	pages := http.NewServeMux()
	pages.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })

	// gRPC needs HTTP/2. With TLS net/http speaks it by itself, without only if it is told to.
	web := &http.Server{Handler: handler(srv, pages), Protocols: new(http.Protocols)}
	web.Protocols.SetHTTP1(true)
	web.Protocols.SetHTTP2(true)
	web.Protocols.SetUnencryptedHTTP2(true)
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan error, 1) // the result of Serve
	go func() { served <- web.Serve(lis) }()

	callGRPC(lis.Addr().String())
	get("http://" + lis.Addr().String() + "/livez")

	// Calls end first, then the connections.
	if err := errors.Join(srv.Shutdown(context.Background()), web.Shutdown(context.Background())); err != nil {
		log.Fatal(err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
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
