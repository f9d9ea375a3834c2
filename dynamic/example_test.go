package dynamic_test

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/reflection"
)

func Example() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	h := health.NewServer()
	h.SetServingStatus("shop", health.Serving)
	health.Register(srv, h)
	reflection.Register(srv)
	client, err := naru.InProcess(srv)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	c := dynamic.NewClient(client) // the schema is the server's own
	reply, err := c.Call(ctx, "Health/Check", map[string]any{"service": "shop"})
	if err != nil {
		log.Fatal(err)
	}
	text, err := c.JSON(ctx, reply)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))

	_, err = c.Call(ctx, "Health/Chek", nil)
	fmt.Println(err)
	// Output:
	// {"status":"SERVING"}
	// NOT_FOUND: dynamic: the schema has no method "Health/Chek"; did you mean grpc.health.v1.Health/Check?
}
