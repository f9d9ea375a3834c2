package metadata_test

import (
	"context"
	"fmt"

	"github.com/naru-rpc/naru/metadata"
)

// A client sends metadata with its context.
func ExampleAppendToOutgoingContext() {
	ctx := metadata.AppendToOutgoingContext(context.Background(), "tenant", "blue", "trace-bin", "\x00\x01")
	md, _ := metadata.FromOutgoingContext(ctx)
	fmt.Println(md.First("tenant"), len(md.First("trace-bin")))
	// Output: blue 2
}

// A handler reads it from its own; keys are lower case, and may have several values.
func ExampleFromIncomingContext() {
	ctx := metadata.NewIncomingContext(context.Background(), metadata.Pairs("Tag", "a", "tag", "b"))
	md, ok := metadata.FromIncomingContext(ctx)
	fmt.Println(md.Get("tag"), ok)
	// Output: [a b] true
}
