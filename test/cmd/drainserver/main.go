// Command drainserver is a server for tests of lifecycles: the echo service with health checks, run
// by naru.Run until a signal comes. It prints its address and, at the end, how it ended.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

func main() {
	drain := flag.Duration("drain", 5*time.Second, "how long calls may take to end")
	addr := flag.String("addr", "", "address; empty: an unused port of 127.0.0.1")
	flag.Parse()
	if err := run(*addr, *drain); err != nil {
		fmt.Println("ended:", err)
		os.Exit(1)
	}
	fmt.Println("ended: drained")
}

func run(addr string, drain time.Duration) error {
	srv, err := naru.NewServer(naru.WithDrainTimeout(drain), naru.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	if err != nil {
		return err
	}
	benchpbnaru.RegisterEchoServer(srv, echo{})
	h := health.NewServer()
	health.Register(srv, h)
	if addr == "" {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addr = lis.Addr().String()
		_ = lis.Close() // the port stays free long enough for a test
	}
	fmt.Println(addr)
	return naru.Run(context.Background(), srv, addr, h.Shutdown)
}

type echo struct {
	benchpbnaru.UnimplementedEchoServer
}

// Unary answers after as many microseconds as the id says.
func (echo) Unary(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	if m.GetId() > 0 {
		select {
		case <-time.After(time.Duration(m.GetId()) * time.Microsecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return m, nil
}

// Bidi echoes; told "stubborn", it does not end when the server drains.
func (echo) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	received := make(chan *benchpb.Message) // unbuffered: one message at a time
	failed := make(chan error, 1)           // capacity 1: the receiver may outlive the handler
	go func() {
		for {
			m, err := s.Recv()
			if err != nil {
				failed <- err
				return
			}
			select {
			case received <- m:
			case <-s.Context().Done():
				return
			}
		}
	}()
	draining := naru.Draining(s.Context())
	for {
		select {
		case m := <-received:
			if m.GetMessage() == "stubborn" {
				draining = nil
			}
			if err := s.Send(m); err != nil {
				return err
			}
		case err := <-failed:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-draining:
			return nil
		}
	}
}
