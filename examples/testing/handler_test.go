package testing

import (
	"context"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
)

// polite names the language it greets in.
type polite struct{ greeter.Server }

func (p polite) SayHello(ctx context.Context, req *greeter.HelloRequest) (*greeter.HelloReply, error) {
	language := metadata.ValueFromIncomingContext(ctx, "accept-language")
	if err := naru.SetHeader(ctx, metadata.MD{"content-language": language}); err != nil {
		return nil, err
	}
	return p.Server.SayHello(ctx, req)
}

// TestHandlerAlone calls a handler as the function it is.
func TestHandlerAlone(t *testing.T) {
	t.Parallel()
	call := narutest.NewCall(t, narutest.CallConfig{
		Metadata: metadata.Pairs("accept-language", "ko"),
		Timeout:  time.Second,
	})
	reply, err := polite{}.SayHello(call.Context(), &greeter.HelloRequest{Name: "Ana"})
	if err != nil {
		t.Fatal(err)
	}
	if got := call.Header().First("content-language"); got != "ko" {
		t.Errorf("content-language %q in the header, want ko", got)
	}
	if got := reply.GetMessage(); got != "Hello, Ana!" {
		t.Errorf("message %q, want a greeting of Ana", got)
	}
}

// TestStreamHandlerAlone does so for a streaming method.
func TestStreamHandlerAlone(t *testing.T) {
	t.Parallel()
	stream := narutest.NewStream[greeter.HelloRequest, greeter.HelloReply](t, narutest.CallConfig{},
		&greeter.HelloRequest{Name: "Ana"}, &greeter.HelloRequest{Name: "Bora"})
	if err := (greeter.Server{}).Chat(stream); err != nil {
		t.Fatal(err)
	}
	if got := len(stream.Sent()); got != 2 {
		t.Errorf("%d replies, want 2", got)
	}
}
