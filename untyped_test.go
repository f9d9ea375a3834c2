package naru_test

import (
	"context"
	"io"
	"slices"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// TestUntypedHandler serves a unary method with a handler that knows no types, in a codec that is
// looked up.
func TestUntypedHandler(t *testing.T) {
	lookup := naru.WithCodecLookup(func(subtype string) encoding.Codec {
		if subtype == "odd" {
			return encoding.Raw()
		}
		return nil
	})
	option := naru.JoinOptions(lookup, naru.WithCompressors(encoding.Zstd(), encoding.Gzip()))
	var left context.Context
	handle := func(s naru.ServerStream) error {
		left = s.Context()
		if got := stub.ContentSubtype(s.Context()); got != "odd" {
			t.Errorf("subtype is %q, want odd", got)
		}
		if got := stub.AcceptedCompressors(s.Context()); !slices.Equal(got, []string{"zstd", "gzip"}) {
			t.Errorf("the client accepts %q, want zstd and gzip", got)
		}
		var req []byte
		if err := s.RecvMsg(&req); err != nil {
			return err
		}
		if err := s.RecvMsg(&req); err != io.EOF {
			t.Errorf("the second receive returns %v, want io.EOF", err)
		}
		if string(req) == "none" {
			return nil
		}
		return s.SendMsg(append([]byte("re: "), req...))
	}
	unary := &naru.MethodInfo{FullMethod: "/odd.Service/Call"}
	srv, err := naru.NewServer(option)
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	srv.RegisterService(&naru.ServiceDesc{Name: "odd.Service", Methods: []naru.MethodDesc{stub.UntypedHandler(unary, handle)}})
	client, err := naru.InProcess(srv, option, naru.WithCodec("odd"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var res []byte
	if err := client.Invoke(t.Context(), unary, []byte("hello"), &res); err != nil || string(res) != "re: hello" {
		t.Errorf("got %q, %v", res, err)
	}
	if got := stub.ContentSubtype(left); got != "" {
		t.Errorf("subtype after the handler's end is %q, want none", got)
	}
	if err := client.Invoke(t.Context(), unary, []byte("none"), &res); status.Code(err) != codes.Internal {
		t.Errorf("a handler without a response: got %v, want INTERNAL", err)
	}
	if err := client.Invoke(t.Context(), unary, []byte("x"), &res, naru.WithCodec("other")); err == nil {
		t.Error("a subtype the lookup does not know was let through")
	}
}

func TestJoinOptionsNamesMistakes(t *testing.T) {
	_, err := naru.NewServer(naru.JoinOptions(naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1}), nil))
	if err == nil {
		t.Fatal("nil was let through")
	}
	_, err = naru.NewClient("passthrough:///x", naru.JoinOptions(nil), naru.WithPlaintext())
	if err == nil {
		t.Fatal("nil was let through")
	}
	if stub.ContentSubtype(t.Context()) != "" || stub.AcceptedCompressors(t.Context()) != nil {
		t.Error("a context of no call has a subtype or compressors")
	}
}
