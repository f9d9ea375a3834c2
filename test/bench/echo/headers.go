package echo

import (
	"context"
	"fmt"

	grpcmd "google.golang.org/grpc/metadata"

	"github.com/naru-rpc/naru/metadata"
)

// WithHeaders returns a context whose calls send n metadata pairs, the same in every call, as
// applications' own tend to be. Connect has no such context.
func WithHeaders(ctx context.Context, impl Impl, n int) (context.Context, error) {
	var kv []string
	for i := range n {
		kv = append(kv, fmt.Sprintf("x-bench-%d", i), fmt.Sprintf("value-%d-of-a-usual-length", i))
	}
	switch {
	case n == 0:
		return ctx, nil
	case impl == Naru:
		return metadata.AppendToOutgoingContext(ctx, kv...), nil
	case impl == GRPCGo:
		return grpcmd.AppendToOutgoingContext(ctx, kv...), nil
	}
	return nil, fmt.Errorf("headers are not supported on stack %q", impl)
}
