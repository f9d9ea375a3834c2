package naru_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// What generated code holds of a service with one method. Programs use the generated names.
var (
	greet = &naru.MethodInfo{FullMethod: "/example.Greeter/greet"}
	count = &naru.MethodInfo{FullMethod: "/example.Greeter/count", Kind: naru.KindServerStream}
)

func greeter() *naru.ServiceDesc {
	return &naru.ServiceDesc{Name: "example.Greeter", Methods: []naru.MethodDesc{
		stub.UnaryHandler(greet, func(ctx context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			if name.Value == "" {
				return nil, status.Error(codes.InvalidArgument, "a name is needed")
			}
			return wrapperspb.String("hello, " + name.Value), nil
		}),
		stub.ServerStreamHandler(count, func(to *wrapperspb.StringValue, s naru.ServerStreamingServer[wrapperspb.StringValue]) error {
			for _, r := range to.Value {
				if err := s.Send(wrapperspb.String(string(r))); err != nil {
					return err
				}
			}
			return nil
		}),
	}}
}

// A server that serves until the program is told to stop, and then lets calls in flight end.
func ExampleServer_ListenAndServe() {
	srv, err := naru.NewServer()
	if err != nil {
		slog.Error("no server", "error", err)
		return
	}
	srv.RegisterService(greeter()) // generated: RegisterGreeterServer(srv, impl)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := srv.ListenAndServe(ctx, ":50051"); err != nil {
		slog.Error("serving ended", "error", err)
	}
}

// A client in the same process as its server: no network, everything else the same.
func ExampleInProcess() {
	srv, err := naru.NewServer()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.RegisterService(greeter())
	client, err := naru.InProcess(srv)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	reply := new(wrapperspb.StringValue)
	err = client.Invoke(context.Background(), greet, wrapperspb.String("world"), reply) // generated: NewGreeterClient(client).Greet(ctx, req)
	fmt.Println(reply.Value, err)
	err = client.Invoke(context.Background(), greet, wrapperspb.String(""), reply)
	fmt.Println(err)
	// Output:
	// hello, world <nil>
	// INVALID_ARGUMENT: a name is needed
}

// A client of a server elsewhere. The deadline covers connecting, too.
func ExampleNewClient() {
	client, err := naru.NewClient("dns:///greeter.example.com:443", naru.WithTimeout(5*time.Second))
	if err != nil {
		slog.Error("no client", "error", err)
		return
	}
	defer client.Close()
	reply := new(wrapperspb.StringValue)
	if err := client.Invoke(context.Background(), greet, wrapperspb.String("world"), reply); err != nil {
		slog.Error("greet", "code", status.Code(err), "error", err)
	}
}

func ExampleServerStreamingClient() {
	srv, err := naru.NewServer()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.RegisterService(greeter())
	client, err := naru.InProcess(srv)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	stream, err := stub.NewServerStreamingClient[wrapperspb.StringValue](context.Background(), client, count, wrapperspb.String("abc"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for m, err := range stream.All() { // leaving the loop early would cancel the call
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Value)
	}
	// Output:
	// a
	// b
	// c
}

// One interceptor sees calls of every kind. This one logs them.
func ExampleInterceptor() {
	logCalls := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		err := next(ctx)
		fmt.Println(call.Kind(), call.Method().Name(), status.Code(err), "sent", call.Sent().Messages)
		return err
	}
	srv, err := naru.NewServer(naru.WithInterceptors(logCalls))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer srv.Close()
	srv.RegisterService(greeter())
	client, err := naru.InProcess(srv)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	_ = client.Invoke(context.Background(), greet, wrapperspb.String(""), new(wrapperspb.StringValue))
	stream, err := stub.NewServerStreamingClient[wrapperspb.StringValue](context.Background(), client, count, wrapperspb.String("ab"))
	for err == nil {
		_, err = stream.Recv()
	}
	fmt.Println(errors.Is(err, io.EOF))
	// Output:
	// unary greet INVALID_ARGUMENT sent 0
	// server stream count OK sent 2
	// true
}

// Who calls is settled before anything of a message is read.
func ExampleWithAuthenticator() {
	type userKey struct{}
	auth := func(ctx context.Context, call *naru.Call) (context.Context, error) {
		token := metadata.ValueFromIncomingContext(ctx, "authorization")
		if len(token) == 0 {
			return nil, status.Error(codes.Unauthenticated, "a token is needed")
		}
		return context.WithValue(ctx, userKey{}, token[0]), nil
	}
	if _, err := naru.NewServer(naru.WithAuthenticator(auth)); err != nil {
		slog.Error("no server", "error", err)
	}
}

// What is not gRPC on the same port goes to an http.Handler.
func ExampleWithHTTPHandler() {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	if _, err := naru.NewServer(naru.WithHTTPHandler(mux)); err != nil {
		slog.Error("no server", "error", err)
	}
}
