package middleware_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

type text = wrapperspb.StringValue

var (
	get   = &naru.MethodInfo{FullMethod: "/test.Store/Get", Idempotency: naru.NoSideEffects}
	put   = &naru.MethodInfo{FullMethod: "/test.Store/Put"}
	watch = &naru.MethodInfo{FullMethod: "/test.Store/Watch", Kind: naru.KindServerStream}
	chat  = &naru.MethodInfo{FullMethod: "/test.Store/Chat", Kind: naru.KindBidi}
)

type handler func(context.Context, *text) (*text, error)

// echo returns what it is given.
func echo(_ context.Context, m *text) (*text, error) { return m, nil }

// serve starts a server whose unary methods are h and returns a client of it.
func serve(t testing.TB, h handler, server []naru.ServerOption, client ...naru.ClientOption) *naru.Client {
	return narutest.NewServer(t, func(s *naru.Server) {
		s.RegisterService(&naru.ServiceDesc{Name: "test.Store", Methods: []naru.MethodDesc{
			stub.UnaryHandler(get, h),
			stub.UnaryHandler(put, h),
			stub.ServerStreamHandler(watch, func(m *text, s naru.ServerStreamingServer[text]) error {
				for w := range strings.FieldsSeq(m.Value) {
					if err := s.Send(wrapperspb.String(w)); err != nil {
						return err
					}
				}
				return nil
			}),
			stub.BidiStreamHandler(chat, func(s naru.BidiStreamingServer[text, text]) error {
				for m, err := range s.All() {
					if err != nil {
						return err
					}
					if err := s.Send(m); err != nil {
						return err
					}
				}
				return nil
			}),
		}})
	}, server...).Client(client...)
}

func on(in ...naru.Interceptor) []naru.ServerOption {
	return []naru.ServerOption{naru.WithInterceptors(in...)}
}

func invoke(ctx context.Context, c *naru.Client, m *naru.MethodInfo, s string, opts ...naru.CallOption) (string, error) {
	res := new(text)
	err := c.Invoke(ctx, m, wrapperspb.String(s), res, opts...)
	return res.Value, err
}

// drain receives a stream to its end.
func drain(ctx context.Context, c *naru.Client, s string) (words []string, err error) {
	stream, err := stub.NewServerStreamingClient[text](ctx, c, watch, wrapperspb.String(s))
	if err != nil {
		return nil, err
	}
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return words, nil
		}
		if err != nil {
			return words, err
		}
		words = append(words, m.Value)
	}
}
