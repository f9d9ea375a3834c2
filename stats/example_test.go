package stats_test

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stats"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// failures counts calls by what ended them.
type failures map[string]int

func (failures) Wants() stats.Group { return stats.Calls }

func (f failures) BeginCall(ctx context.Context, call *stats.CallBegun) (context.Context, stats.Observer) {
	return ctx, stats.ObserverFunc(func(e stats.Event) {
		if e, ok := e.(*stats.CallEnded); ok && e.Err != nil {
			f[e.Reason]++ // one call at a time here; a real handler takes a lock
		}
	})
}

func ExampleHandler() {
	f := failures{}
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client, err := naru.InProcess(srv, naru.WithStatsHandler(f))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_ = client.Invoke(context.Background(), &naru.MethodInfo{FullMethod: "/shop.Cart/Add"},
		wrapperspb.String("an apple"), new(wrapperspb.StringValue)) // the server has no such method
	fmt.Println(f)
	// Output: map[status:1]
}
