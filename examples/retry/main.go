// Command retry calls a server that fails at first: without a retry, with a policy, and hedged.
package main

import (
	"context"
	"fmt"
	"log"
	"sync/atomic"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/status"
)

// shaky fails two calls of three.
type shaky struct {
	greeter.Server
	calls *atomic.Int32
}

func (s shaky) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	if s.calls.Add(1)%3 != 0 {
		return nil, status.Error(codes.Aborted, "try again")
	}
	return s.Server.SayHello(ctx, req)
}

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	var calls atomic.Int32
	greeter.RegisterGreeterServer(srv, shaky{calls: &calls})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}
	retry := serviceconfig.RetryPolicy{
		MaxAttempts:          3,
		InitialBackoff:       10 * time.Millisecond,
		MaxBackoff:           time.Second,
		BackoffMultiplier:    2,
		RetryableStatusCodes: []codes.Code{codes.Aborted},
	}
	hedge := serviceconfig.HedgingPolicy{
		MaxAttempts:         3,
		HedgingDelay:        time.Second,                 // the next attempt, if there is no response until then,
		NonFatalStatusCodes: []codes.Code{codes.Aborted}, // or at once when one failed with this code
	}
	for _, c := range []struct {
		title string
		opt   naru.CallOption
	}{
		{"without a retry", naru.WithoutRetry()},
		{"with a retry policy", naru.WithRetry(retry)},
		{"hedged", naru.WithHedging(hedge)},
	} {
		calls.Store(0)
		reply, err := greeter.NewGreeterClient(conn).SayHello(context.Background(), &greeter.HelloRequest{Name: "Ana"}, c.opt)
		fmt.Printf("%s: %v %q, calls received: %d\n", c.title, status.Code(err), reply.GetMessage(), calls.Load())
	}
	stats := conn.Stats()
	fmt.Println("retries:", stats.Retries, "hedges:", stats.Hedges)
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
