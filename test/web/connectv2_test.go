package web

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	connect "connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// optionsV2 are the protocols and codecs of connect-go v2's clients.
var optionsV2 = map[string][]connecthttp.Option{
	"Connect":          nil,
	"Connect JSON":     {connecthttp.WithProtoJSON()},
	"Connect gzip":     {connecthttp.WithSendGzip()},
	"Connect GET":      {connecthttp.WithHTTPGet()},
	"Connect GET JSON": {connecthttp.WithHTTPGet(), connecthttp.WithProtoJSON(), connecthttp.WithSendGzip()},
	"gRPC-Web":         {connecthttp.WithGRPCWeb()},
	"gRPC-Web JSON":    {connecthttp.WithGRPCWeb(), connecthttp.WithProtoJSON(), connecthttp.WithSendGzip()},
	"gRPC":             {connecthttp.WithGRPC()},
}

func specV2(name string, kind connect.StreamType) connect.Spec {
	s := connect.Spec{StreamType: kind, Procedure: "/test.Echo/" + name}
	if name == "Get" {
		s.IdempotencyLevel = connect.IdempotencyNoSideEffects
	}
	return s
}

func TestConnectV2(t *testing.T) {
	url := serve(t, nil, nil)
	for version, hc := range transports(t, nil) {
		for protocol, opts := range optionsV2 {
			if protocol == "gRPC" && version == "HTTP/1.1" {
				continue // gRPC needs HTTP/2
			}
			t.Run(protocol+" "+version, func(t *testing.T) {
				client := connect.NewClient(connecthttp.NewTransport(hc, url, opts...))
				unaryV2(t, client)
				streamsV2(t, client, version)
			})
		}
	}
}

func unaryV2(t *testing.T, client *connect.Client) {
	for _, method := range []string{"Unary", "Get"} {
		spec := specV2(method, connect.StreamTypeUnary)
		for _, value := range []string{"", "hello", strings.Repeat("long ", 400)} {
			ctx, info := connect.NewClientContext(t.Context())
			got := new(text)
			if err := client.CallUnary(ctx, spec, wrapperspb.String(value), got); err != nil || got.Value != value {
				t.Fatalf("%s with %d bytes: %v", method, len(value), err)
			}
			if h, tr := info.ResponseHeader().Get("X-Head"), info.ResponseTrailer().Get("X-Tail"); h != "h" || tr != "t" {
				t.Errorf("%s: header %q, trailer %q", method, h, tr)
			}
		}
		err := client.CallUnary(t.Context(), spec, wrapperspb.String("fail"), new(text))
		var ce *connect.Error
		if !errors.As(err, &ce) || ce.Code() != connect.CodeNotFound || ce.Message() != "no such thing: ü%" || len(ce.Details()) != 1 {
			t.Errorf("%s: %v, want NOT_FOUND with a detail", method, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err = client.CallUnary(ctx, spec, wrapperspb.String("wait"), new(text))
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) && connect.CodeOf(err) != connect.CodeDeadlineExceeded {
			t.Errorf("%s: %v, want DEADLINE_EXCEEDED", method, err)
		}
	}
}

func streamsV2(t *testing.T, client *connect.Client, version string) {
	down, err := client.CallServerStream(t.Context(), specV2("Server", connect.StreamTypeServer), wrapperspb.String("one two fail"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	m := new(text)
	for err == nil {
		if err = down.Receive(m); err == nil {
			got = append(got, m.Value)
		}
	}
	_ = down.Close()
	if strings.Join(got, " ") != "one two" || connect.CodeOf(err) != connect.CodeAborted {
		t.Errorf("server stream: %v, %v", got, err)
	}
	up, err := client.CallClientStream(t.Context(), specV2("Client", connect.StreamTypeClient))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"one", "two", strings.Repeat("x", 100_000)} {
		if err := up.Send(wrapperspb.String(w)); err != nil {
			t.Fatal(err)
		}
	}
	if err := up.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := up.Receive(m); err != nil || len(m.Value) != 100_008 {
		t.Errorf("client stream: %v", err)
	}
	_ = up.Close()
	if version == "HTTP/1.1" {
		return
	}
	both, err := client.CallClientStream(t.Context(), specV2("Bidi", connect.StreamTypeBidi))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := both.Send(wrapperspb.String("ping")); err != nil {
			t.Fatal(err)
		}
		if err := both.Receive(m); err != nil || m.Value != "ping" {
			t.Fatalf("bidi: %v, %v", m, err)
		}
	}
	_ = both.CloseSend()
	if err := both.Receive(m); !errors.Is(err, io.EOF) {
		t.Errorf("bidi: %v at the end", err)
	}
	_ = both.Close()
}
