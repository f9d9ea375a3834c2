package interop

import (
	"context"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// compressor is what answers are compressed with on request. Every implementation has it.
const compressor = "gzip"

// ExpectCompressed is an interceptor that refuses requests which say that they come compressed and
// do not: a handler sees messages, not how they travelled.
func ExpectCompressed(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
	c.OnReceive(func(m any, info naru.MessageInfo) error {
		req, ok := m.(interface{ GetExpectCompressed() *testpb.BoolValue })
		if ok && req.GetExpectCompressed().GetValue() && !info.Compressed {
			return status.Error(codes.InvalidArgument, "the request says that it is compressed, and is not")
		}
		return nil
	})
	return next(ctx)
}

// compressAnswer makes the answers of a call compressed, or not, as its request asks; nil asks for
// nothing.
func compressAnswer(ctx context.Context, want *testpb.BoolValue) error {
	switch {
	case want == nil:
		return nil
	case want.Value:
		return naru.SetCompression(ctx, compressor)
	default:
		return naru.SetCompression(ctx, "")
	}
}
