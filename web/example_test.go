package web_test

import (
	"fmt"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/web"
)

// A server that pages of another origin may call by gRPC-Web and Connect.
func ExampleOptions() {
	srv, err := naru.NewServer(
		naru.WithCodecs(encoding.JSON()), // for Connect's JSON
		naru.WithWeb(web.Options{AllowedOrigins: []string{"https://shop.example"}, AllowedHeaders: []string{"authorization"}}),
	)
	fmt.Println(srv != nil, err)
	_, err = naru.NewServer(naru.WithWeb(web.Options{AllowedOrigins: []string{"*"}, AllowCredentials: true}))
	fmt.Println(err)
	// Output:
	// true <nil>
	// naru: new server: WithWeb: AllowedOrigins "*" together with AllowCredentials: name the origins
}
