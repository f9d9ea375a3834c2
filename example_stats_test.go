package naru_test

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// printer prints how calls end.
type printer struct{}

func (printer) Wants() stats.Group { return stats.Calls }

func (printer) BeginCall(ctx context.Context, call *stats.CallBegun) (context.Context, stats.Observer) {
	side, method := call.Side, "other" // call is lent
	if call.Registered {
		method = call.Method
	}
	return ctx, stats.ObserverFunc(func(e stats.Event) {
		if e, ok := e.(*stats.CallEnded); ok {
			fmt.Printf("%s %s: %v, %d bytes sent, %d received\n", side, method, status.Code(e.Err), e.Sent.Bytes, e.Received.Bytes)
		}
	})
}

func ExampleWithStatsHandler() {
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	srv.RegisterService((&echo{}).desc())
	client, err := naru.InProcess(srv, naru.WithStatsHandler(printer{}))
	if err != nil {
		log.Fatal(err)
	}
	if err := client.Invoke(context.Background(), methodUnary, str("hello"), new(text)); err != nil {
		log.Fatal(err)
	}
	_ = client.Close()
	_ = srv.Close()
	// Output: client /test.Echo/Unary: OK, 7 bytes sent, 7 received
}
