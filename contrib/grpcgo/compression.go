package grpcgo

import (
	"context"
	"fmt"
	"slices"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/grpc"
	grpcenc "google.golang.org/grpc/encoding"
)

// SetSendCompressor is grpc.SetSendCompressor for the contexts of either library: the messages of
// the call are sent compressed with this compressor, or, with "identity", as they are. It is an
// error if the compressor is not registered with grpc-go, or the client does not accept it, or the
// header has been sent.
func SetSendCompressor(ctx context.Context, name string) error {
	if naru.FullMethod(ctx) == "" {
		return grpc.SetSendCompressor(ctx, name)
	}
	if name != grpcenc.Identity {
		if grpcenc.GetCompressor(name) == nil && !builtinCompressor(name) {
			return fmt.Errorf("unable to set send compressor: compressor not registered %q", name)
		}
		if !slices.Contains(stub.AcceptedCompressors(ctx), name) {
			return fmt.Errorf("unable to set send compressor: client does not support compressor %q", name)
		}
	}
	return naru.SetCompression(ctx, name)
}

// ClientSupportedCompressors is grpc.ClientSupportedCompressors for the contexts of either library.
func ClientSupportedCompressors(ctx context.Context) ([]string, error) {
	if naru.FullMethod(ctx) == "" {
		return grpc.ClientSupportedCompressors(ctx)
	}
	return stub.AcceptedCompressors(ctx), nil
}
