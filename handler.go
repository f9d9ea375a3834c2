package naru

import (
	"context"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

func serverCall(ctx context.Context, doing string) (*server.Call, error) {
	if c := server.FromContext(ctx); c != nil {
		return c, nil
	}
	return nil, status.Errorf(codes.Internal, "%s: the context is not that of a server call", doing)
}

// SetHeader adds md to the header of the call ctx belongs to. It goes out with the first message,
// with SendHeader, or at the end; setting it afterwards fails. In handlers and server
// interceptors of any kind; safe for concurrent use.
func SetHeader(ctx context.Context, md metadata.MD) error {
	c, err := serverCall(ctx, "set header")
	if err != nil {
		return err
	}
	return c.SetHeader(md)
}

// SendHeader adds md to the header of the call ctx belongs to and sends it. It can be sent once.
func SendHeader(ctx context.Context, md metadata.MD) error {
	c, err := serverCall(ctx, "send header")
	if err != nil {
		return err
	}
	return c.SendHeader(md)
}

// SetTrailer adds md to the trailer of the call ctx belongs to, which is sent with the status.
func SetTrailer(ctx context.Context, md metadata.MD) error {
	c, err := serverCall(ctx, "set trailer")
	if err != nil {
		return err
	}
	return c.AddTrailer(md)
}

// SetCompression makes the messages that are sent from now on in the call ctx belongs to
// compressed with the compressor of this name, or, for "" and "identity", not compressed.
// Once the header is sent only the compression it announced can be switched off and on. Messages
// below the server's threshold are never compressed.
func SetCompression(ctx context.Context, name string) error {
	c, err := serverCall(ctx, "set compression")
	if err != nil {
		return err
	}
	return c.SetCompression(name)
}

// Draining returns a channel that is closed when the server, or the connection of the call ctx
// belongs to, takes no new calls: handlers of long streams can end them in good order. nil for any
// other context.
func Draining(ctx context.Context) <-chan struct{} {
	if c := server.FromContext(ctx); c != nil {
		return c.Draining()
	}
	return nil
}

// FullMethod returns the path of the call ctx belongs to, "/package.Service/method"; "" for any
// other context.
func FullMethod(ctx context.Context) string {
	if c := server.FromContext(ctx); c != nil {
		return c.FullMethod()
	}
	return ""
}
