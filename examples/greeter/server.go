package greeter

import (
	"context"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// Server is the Greeter that the small examples serve. The zero value is ready; safe for concurrent
// use.
type Server struct{}

// SayHello greets one person.
func (Server) SayHello(_ context.Context, req *HelloRequest) (*HelloReply, error) {
	if req.GetName() == "" {
		return nil, status.Error(codes.InvalidArgument, "nobody is there to be greeted: name is empty")
	}
	return &HelloReply{Message: "Hello, " + req.GetName() + "!"}, nil
}

// SayHelloInEveryLanguage greets one person again and again.
func (Server) SayHelloInEveryLanguage(req *HelloRequest, stream naru.ServerStreamingServer[HelloReply]) error {
	for _, hello := range []string{"Hello", "안녕하세요", "Bonjour", "Hola"} {
		if err := stream.Send(&HelloReply{Message: hello + ", " + req.GetName() + "!"}); err != nil {
			return err
		}
	}
	return nil
}

// SayHelloToAll greets everybody at once.
func (Server) SayHelloToAll(stream naru.ClientStreamingServer[HelloRequest, HelloReply]) error {
	var names []string
	for req, err := range stream.All() {
		if err != nil {
			return err
		}
		names = append(names, req.GetName())
	}
	return stream.SendAndClose(&HelloReply{Message: "Hello, " + strings.Join(names, " and ") + "!"})
}

// Chat greets each person as they come.
func (Server) Chat(stream naru.BidiStreamingServer[HelloRequest, HelloReply]) error {
	for req, err := range stream.All() {
		if err != nil {
			return err
		}
		if err := stream.Send(&HelloReply{Message: "Hello, " + req.GetName() + "!"}); err != nil {
			return err
		}
	}
	return nil
}
