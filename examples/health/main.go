// Command health watches a service become unfit and fit again, as a load balancer or Kubernetes
// would.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/health"
)

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, greeter.Server{})
	h := health.NewServer()
	health.Register(srv, h)
	h.SetServingStatus(greeter.Greeter_ServiceName, health.Serving)
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}

	// The empty name asks for the server as a whole.
	whole, err := health.Check(context.Background(), conn, "")
	fmt.Println("server:", whole, err)
	_, err = health.Check(context.Background(), conn, "greeter.Unknown")
	fmt.Println("greeter.Unknown:", err)

	watch(conn, h)
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}

// watch prints each status of the Greeter, and changes it when it has seen it.
func watch(conn *naru.Client, h *health.Server) {
	seen := 0
	for s, err := range health.Watch(context.Background(), conn, greeter.Greeter_ServiceName) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("greeter.Greeter:", s)
		seen++
		switch seen {
		case 1:
			h.SetServingStatus(greeter.Greeter_ServiceName, health.NotServing) // say, its database is gone
		case 2:
			h.SetServingStatus(greeter.Greeter_ServiceName, health.Serving)
		}
		if seen == 3 {
			break // ends the call
		}
	}
}
