// Command web serves gRPC, gRPC-Web and Connect on one port, and calls it as a browser's fetch
// would.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/web"
)

func main() {
	srv, err := naru.NewServer(
		naru.WithWeb(web.Options{AllowedOrigins: []string{"https://shop.example"}}),
		naru.WithCodecs(encoding.JSON()),
	)
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

	post("http://"+lis.Addr().String()+greeter.Greeter_SayHello_FullMethodName, `{"name": "Ana"}`)
	post("http://"+lis.Addr().String()+greeter.Greeter_SayHello_FullMethodName, `{"name": ""}`)

	if err := srv.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := <-served; err != nil {
		log.Fatal(err)
	}
}

func post(url, body string) {
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.StatusCode, string(text))
	http.DefaultClient.CloseIdleConnections()
}
