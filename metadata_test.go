package naru_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

func TestMetadataBothWays(t *testing.T) {
	serve := func(ctx context.Context, fail bool) error {
		md, ok := metadata.FromIncomingContext(ctx)
		if !ok {
			return errors.New("no metadata")
		}
		if err := naru.SetHeader(ctx, metadata.Pairs("echo-bin", md.First("req-bin"))); err != nil {
			return err
		}
		if err := naru.SetTrailer(ctx, metadata.Pairs("seen", strings.Join(md.Get("multi"), "+"))); err != nil {
			return err
		}
		if fail {
			return status.Error(codes.Aborted, "as asked")
		}
		return nil
	}
	e := func() *echo {
		return &echo{
			unary: func(ctx context.Context, m *text) (*text, error) { return m, serve(ctx, m.Value == "fail") },
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				m, err := s.Recv()
				if err != nil {
					return err
				}
				return serve(s.Context(), m.Value == "fail")
			},
		}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "multi", "a", "req-bin", "\x00\x01\xff")
		for _, ask := range []string{"ok", "fail"} {
			var header, trailer metadata.MD
			_, err := p.unary(ctx, ask, naru.WithMetadata("Multi", "b"), naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))
			if (err != nil) != (ask == "fail") {
				t.Fatalf("%s: %v", ask, err)
			}
			if header.First("echo-bin") != "\x00\x01\xff" || trailer.First("seen") != "b+a" {
				t.Errorf("unary %s: header %q, trailer %q", ask, header["echo-bin"], trailer["seen"])
			}

			s, err := stub.NewBidiStreamingClient[text, text](ctx, p, methodBidi, naru.WithMetadata("multi", "b"))
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Send(str(ask))
			if _, err := s.Recv(); (err == io.EOF) != (ask == "ok") {
				t.Fatalf("stream %s: %v", ask, err)
			}
			header, err = s.Header()
			if err != nil || header.First("echo-bin") != "\x00\x01\xff" || s.Trailer().First("seen") != "b+a" {
				t.Errorf("stream %s: header %q, %v, trailer %q", ask, header["echo-bin"], err, s.Trailer()["seen"])
			}
		}
	})
}

func TestHeaderIsSentBeforeTheEnd(t *testing.T) {
	e := func() *echo {
		return &echo{bidi: func(s naru.BidiStreamingServer[text, text]) error {
			if err := s.SendHeader(metadata.Pairs("early", "yes")); err != nil {
				return err
			}
			if err := s.SetHeader(metadata.Pairs("late", "no")); status.Code(err) != codes.Internal {
				return fmt.Errorf("SetHeader after SendHeader: %v", err)
			}
			if err := s.SendHeader(nil); status.Code(err) != codes.Internal {
				return fmt.Errorf("a second SendHeader: %v", err)
			}
			_, err := s.Recv()
			return err
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		header, err := s.Header() // nothing was sent by this side yet
		if err != nil || header.First("early") != "yes" {
			t.Fatalf("header %v, %v", header, err)
		}
		_ = s.Send(str(""))
		if _, err := s.Recv(); err != io.EOF {
			t.Error(err)
		}
	})
}

// A stream that has ended with OK keeps its header when its context ends after it.
func TestHeaderOutlivesTheContext(t *testing.T) {
	e := func() *echo {
		return &echo{bidi: func(s naru.BidiStreamingServer[text, text]) error {
			if err := s.SetHeader(metadata.Pairs("k", "v")); err != nil {
				return err
			}
			return s.Send(&text{Value: "only"})
		}}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		s, err := stub.NewBidiStreamingClient[text, text](ctx, p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = s.Recv()
		}
		if err != io.EOF {
			t.Fatalf("Recv: %v, want io.EOF", err)
		}
		cancel()
		if md, err := s.Header(); err != nil || md.First("k") != "v" {
			t.Errorf("Header after the context has ended: %v, %v; want the header", md, err)
		}
	})
}

func TestBadMetadataOfHandlers(t *testing.T) {
	var got error
	e := handle(func(ctx context.Context, m *text) (*text, error) {
		got = naru.SetHeader(ctx, metadata.Pairs("grpc-status", "0"))
		if err := naru.SetTrailer(ctx, metadata.Pairs("a b", "c")); err == nil {
			return nil, errors.New("a key with a space was accepted")
		}
		return m, nil
	})
	overAll(t, e, func(t *testing.T, p *pair) {
		if _, err := p.unary(t.Context(), ""); err != nil {
			t.Error(err)
		}
		if status.Code(got) != codes.Internal {
			t.Errorf("SetHeader of grpc-status: %v", got)
		}
	})
	for name, err := range map[string]error{
		"SetHeader":      naru.SetHeader(t.Context(), nil),
		"SendHeader":     naru.SendHeader(t.Context(), nil),
		"SetTrailer":     naru.SetTrailer(t.Context(), nil),
		"SetCompression": naru.SetCompression(t.Context(), ""),
	} {
		if status.Code(err) != codes.Internal {
			t.Errorf("%s outside of a call: %v, want INTERNAL", name, err)
		}
	}
}
