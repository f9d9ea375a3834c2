package stub

import (
	"context"

	"github.com/naru-rpc/naru/internal/call/server"
)

// ContentSubtype returns the codec's name that the client gave in the content-type of the call ctx
// belongs to: "json" for application/grpc+json, "" for application/grpc, which means "proto". It
// returns "" after the handler has returned, and for any other context.
func ContentSubtype(ctx context.Context) string {
	if c := server.FromContext(ctx); c != nil {
		return c.Subtype()
	}
	return ""
}

// AcceptedCompressors returns the names of the compressors that the client of the call ctx belongs
// to accepts, in its order (grpc-accept-encoding). The slice is the caller's; nil if the client
// named none, and for any other context.
func AcceptedCompressors(ctx context.Context) []string {
	if c := server.FromContext(ctx); c != nil {
		return c.AcceptedEncodings()
	}
	return nil
}
