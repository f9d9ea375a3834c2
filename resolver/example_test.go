package resolver_test

import (
	"context"
	"fmt"

	"github.com/naru-rpc/naru/resolver"
)

// A scheme of your own: "example:///lb.example.grpc.io" leads to two addresses. A client is given
// the builder by its options and asks it for every target with the scheme.
func ExampleFunc() {
	backends := map[string][]string{"lb.example.grpc.io": {"localhost:50051", "localhost:50052"}}
	builder := resolver.Func("example", func(_ context.Context, t resolver.Target) (resolver.State, error) {
		addrs, ok := backends[t.Endpoint]
		if !ok {
			return resolver.State{}, fmt.Errorf("no backends for %q", t.Endpoint)
		}
		return resolver.State{Endpoints: resolver.EndpointsOf(addrs...)}, nil
	}, resolver.PollOptions{})

	registry := resolver.NewRegistry(resolver.DNS(resolver.DNSOptions{}), builder)
	target, b, err := registry.Parse("example:///lb.example.grpc.io", "dns")
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := b.Build(target, resolver.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// This is what a channel does with it.
	ctx, cancel := context.WithCancel(context.Background())
	r.Run(ctx, printer{cancel})
	// Output:
	// localhost:50051
	// localhost:50052
}

type printer struct{ stop func() }

func (p printer) Update(s resolver.State) error {
	for _, e := range s.Endpoints {
		fmt.Println(e.Addresses[0])
	}
	p.stop()
	return nil
}
func (printer) Fail(err error)           { fmt.Println(err) }
func (printer) Refresh() <-chan struct{} { return nil }
func (printer) Wanted() bool             { return true }
