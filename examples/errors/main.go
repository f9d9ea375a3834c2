// Command errors returns an error with details from a handler, and takes it apart in the client.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

type strict struct{ greeter.Server }

func (s strict) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	if req.GetName() == "panic" {
		panic("a bug") // becomes INTERNAL; the server goes on
	}
	if req.GetName() != "" {
		return s.Server.SayHello(ctx, req)
	}
	refusal, err := status.New(codes.InvalidArgument, "nobody to greet").WithDetails(&errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "name", Description: "is empty"}},
	})
	if err != nil {
		return nil, err
	}
	return nil, refusal.Err()
}

func main() {
	// Without its own logger the server would log the panic, with the stack, to slog's default one.
	srv, err := naru.NewServer(naru.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, strict{})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)
	for _, name := range []string{"Ana", "", "panic"} {
		reply, err := client.SayHello(context.Background(), &greeter.HelloRequest{Name: name})
		if err == nil {
			fmt.Println(reply.GetMessage())
			continue
		}
		fmt.Println("code:", status.Code(err))
		fmt.Println("message:", status.Convert(err).Message())
		if bad, ok := status.Detail[*errdetails.BadRequest](err); ok {
			for _, v := range bad.GetFieldViolations() {
				fmt.Println("detail:", v.GetField(), v.GetDescription())
			}
		}
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
