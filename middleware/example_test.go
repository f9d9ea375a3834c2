package middleware_test

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/middleware"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A hook decides what the caller of a handler that panicked is told.
func ExampleRecover() {
	srv, err := naru.NewServer(naru.WithInterceptors(
		middleware.Recover(func(_ context.Context, call *naru.Call, p middleware.Panic) error {
			fmt.Println("panic in", call.Method().Name()+":", p.Value)
			return status.Error(codes.Unavailable, "try another server")
		}),
	))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	add := &naru.MethodInfo{FullMethod: "/shop.Cart/Add"}
	srv.RegisterService(&naru.ServiceDesc{Name: "shop.Cart", Methods: []naru.MethodDesc{
		stub.UnaryHandler(add, func(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			panic("out of shelves")
		}),
	}})
	client, err := naru.InProcess(srv)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	err = client.Invoke(context.Background(), add, wrapperspb.String("an apple"), new(wrapperspb.StringValue))
	fmt.Println(status.Convert(err).Message())
	// Output:
	// panic in Add: out of shelves
	// try another server
}

// ParseFault reads what a test or an operator writes.
func ExampleParseFault() {
	f, err := middleware.ParseFault("delay=100ms,abort=UNAVAILABLE")
	fmt.Println(f.Delay, f.Abort, err)
	_, err = middleware.ParseFault("delay=100ms,delay=1s")
	fmt.Println(err)
	// Output:
	// 100ms UNAVAILABLE <nil>
	// "delay=1s": want delay=DURATION, abort=CODE or truncate=MESSAGES, each once
}
