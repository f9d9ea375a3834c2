// Command run serves on a Unix socket until the process gets SIGTERM, and then ends without losing
// a call.
package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/health"
)

// patient keeps its stream open until the server shuts down.
type patient struct{ greeter.Server }

func (patient) SayHelloInEveryLanguage(req *greeter.HelloRequest, stream naru.ServerStreamingServer[greeter.HelloReply]) error {
	if err := stream.Send(&greeter.HelloReply{Message: "Hello, " + req.GetName() + "!"}); err != nil {
		return err
	}
	select {
	case <-naru.Draining(stream.Context()):
		return stream.Send(&greeter.HelloReply{Message: "Goodbye, " + req.GetName() + "!"})
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

func serve(addr string) error {
	srv, err := naru.NewServer(naru.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	greeter.RegisterGreeterServer(srv, patient{})
	h := health.NewServer()
	health.Register(srv, h)
	return naru.Run(context.Background(), srv, addr, h.Shutdown)
}

func main() {
	dir, err := os.MkdirTemp("", "naru")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "greeter.sock")
	ended := make(chan error, 1) // the result of serve
	go func() { ended <- serve("unix:" + socket) }()

	client, err := naru.NewClient("unix://"+socket, naru.WithPlaintext())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	stream, err := greeter.NewGreeterClient(client).SayHelloInEveryLanguage(context.Background(),
		&greeter.HelloRequest{Name: "Ana"}, naru.WaitForReady(true))
	if err != nil {
		log.Fatal(err)
	}
	for reply, err := range stream.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(reply.GetMessage())
		if reply.GetMessage() == "Hello, Ana!" {
			terminate()
		}
	}
	fmt.Println("the server ended:", <-ended)
}

// terminate sends this process what an orchestrator sends it.
func terminate() {
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		log.Fatal(err)
	}
	if err := self.Signal(syscall.SIGTERM); err != nil {
		log.Fatal(err)
	}
}
