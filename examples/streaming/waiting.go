package main

import (
	"context"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/examples/greeter"
)

// received is what Recv has returned.
type received struct {
	reply *greeter.HelloReply
	err   error
}

// waiting waits for a message only so long, and goes on with the call.
func waiting(client greeter.GreeterClient) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends the call, and so the goroutine
	stream, err := client.Chat(ctx)
	if err != nil {
		return err
	}
	replies := make(chan received) // without a buffer: a message is taken or the stream has ended
	go func() {
		defer close(replies)
		for reply, err := range stream.All() {
			select {
			case replies <- received{reply, err}:
			case <-stream.Context().Done():
				return
			}
		}
	}()
	select {
	case r := <-replies:
		fmt.Println(r.reply.GetMessage(), r.err)
	case <-time.After(50 * time.Millisecond):
		fmt.Println("no reply yet; the call goes on")
	}
	if err := stream.Send(&greeter.HelloRequest{Name: "Fan"}); err != nil {
		return err
	}
	r := <-replies
	fmt.Println(r.reply.GetMessage())
	return r.err
}
