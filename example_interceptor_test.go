package naru_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A cache of one unary method. The same interceptor works on a client, where it spares the call,
// and on a server, where it spares the handler.
func ExampleCall_SetResponse() {
	var kept sync.Map // responses by request
	cache := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		req, err := call.Request()
		if err != nil {
			return err
		}
		key := req.(*wrapperspb.StringValue).Value
		if res, ok := kept.Load(key); ok {
			fmt.Println("cached:", key)
			return call.SetResponse(res) // a copy of it is the caller's
		}
		if err := next(ctx); err != nil {
			return err // errors are not kept
		}
		kept.Store(key, proto.Clone(call.Response().(proto.Message)))
		return nil
	}
	client, stop, err := serveGreeter(naru.WithInterceptorsFor("/example.Greeter/greet", cache))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	for range 2 {
		reply := new(wrapperspb.StringValue)
		err := client.Invoke(context.Background(), greet, wrapperspb.String("world"), reply)
		fmt.Println(reply.Value, err)
	}
	// Output:
	// hello, world <nil>
	// cached: world
	// hello, world <nil>
}

// A client that has something to show while the server is down.
func ExampleCall_SetResponse_fallback() {
	fallback := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		err := next(ctx)
		if status.Code(err) == codes.Unavailable {
			return call.SetResponse(wrapperspb.String("hello, whoever you are"))
		}
		return err
	}
	down := func(context.Context, *naru.Call, func(context.Context) error) error {
		return status.Error(codes.Unavailable, "the server is down")
	}
	client, stop, err := serveGreeter(naru.WithInterceptorsFor("/example.Greeter/greet", fallback, down))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	reply := new(wrapperspb.StringValue)
	err = client.Invoke(context.Background(), greet, wrapperspb.String("world"), reply)
	fmt.Println(reply.Value, err)
	// Output: hello, whoever you are <nil>
}

// A mock of a streaming method, for the test of a program that calls it: no server takes part.
func ExampleCall_HandleStream() {
	mock := func(ctx context.Context, call *naru.Call, _ func(context.Context) error) error {
		return call.HandleStream(ctx, func(s naru.ServerStream) error {
			for _, number := range []string{"one", "two"} {
				if err := s.SendMsg(wrapperspb.String(number)); err != nil {
					return err
				}
			}
			return status.Error(codes.DataLoss, "that is as far as I can count")
		})
	}
	client, err := naru.NewClient("nobody.example.com:443", naru.WithInterceptorsFor("/example.Greeter/count", mock))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	stream, err := stub.NewServerStreamingClient[wrapperspb.StringValue](context.Background(), client, count, wrapperspb.String("3"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range stream.All() {
		fmt.Println(m.GetValue(), err)
	}
	// Output:
	// one <nil>
	// two <nil>
	//  DATA_LOSS: that is as far as I can count
}

// serveGreeter returns a client of a greeter in this process.
func serveGreeter(opts ...naru.ClientOption) (client *naru.Client, stop func(), err error) {
	srv, err := naru.NewServer()
	if err != nil {
		return nil, nil, err
	}
	srv.RegisterService(greeter())
	client, err = naru.InProcess(srv, opts...)
	if err != nil {
		return nil, nil, err
	}
	return client, func() { _, _ = client.Close(), srv.Close() }, nil
}
