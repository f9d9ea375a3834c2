// Command metadata sends pairs beside a message, and gets some back in the header and in the
// trailer.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/metadata"
)

type polyglot struct{ greeter.Server }

func (polyglot) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	hello := "Hello"
	if md.First("accept-language") == "ko" {
		hello = "안녕하세요"
	}
	// The header goes before the answer, the trailer after it, also if the handler fails.
	if err := naru.SetHeader(ctx, metadata.Pairs("content-language", md.First("accept-language"))); err != nil {
		return nil, err
	}
	// Values of keys that end in -bin are bytes; so they travel, and so they are here.
	if err := naru.SetTrailer(ctx, metadata.Pairs("echo-bin", md.First("echo-bin"))); err != nil {
		return nil, err
	}
	return &greeter.HelloReply{Message: hello + ", " + req.GetName() + "!"}, nil
}

func main() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, polyglot{})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}

	// Pairs in the context go with every call made with it, those of the option with one call.
	ctx := metadata.AppendToOutgoingContext(context.Background(), "accept-language", "ko")
	var header, trailer metadata.MD
	reply, err := greeter.NewGreeterClient(conn).SayHello(ctx, &greeter.HelloRequest{Name: "Ana"},
		naru.WithMetadata("echo-bin", "\x00\xff"), naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(reply.GetMessage())
	fmt.Println("header:", header.Get("content-language"))
	fmt.Printf("trailer: %q\n", trailer.Get("echo-bin"))
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
