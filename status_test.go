package naru_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/durationpb"
)

// handle returns a service whose unary handler is f.
func handle(f func(context.Context, *text) (*text, error)) func() *echo {
	return func() *echo { return &echo{unary: f} }
}

func wantStatus(t *testing.T, err error, code codes.Code, message string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || s.Message() != message {
		t.Errorf("got  %v\nwant %v: %s", s, code, message)
	}
}

func TestStatuses(t *testing.T) {
	detailed, err := status.New(codes.InvalidArgument, "bad id").WithDetails(durationpb.New(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		err     error
		code    codes.Code
		message string
	}{
		{"status", status.Error(codes.NotFound, "no é % such\n"), codes.NotFound, "no é % such\n"},
		{"wrapped", fmt.Errorf("lookup: %w", status.Error(codes.NotFound, "none")), codes.NotFound, "lookup: NOT_FOUND: none"},
		{"plain", errors.New("oops"), codes.Unknown, "the handler failed; the reason is in the server's log"},
		{"canceled", context.Canceled, codes.Canceled, "context canceled"},
		{"deadline", fmt.Errorf("db: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "context deadline exceeded"},
		{"code of tomorrow", status.Error(42, "new"), codes.Unknown, "new"},
		{"details", detailed.Err(), codes.InvalidArgument, "bad id"},
		{"empty message", status.Error(codes.DataLoss, ""), codes.DataLoss, ""},
		{"long message", status.Error(codes.Internal, strings.Repeat("x", 10000)), codes.Internal, strings.Repeat("x", 6141) + "..."},
	} {
		e := func() *echo {
			return &echo{
				unary:  func(context.Context, *text) (*text, error) { return str("ignored"), tt.err },
				server: func(*text, naru.ServerStreamingServer[text]) error { return tt.err },
				client: func(naru.ClientStreamingServer[text, text]) error { return tt.err },
				bidi: func(s naru.BidiStreamingServer[text, text]) error {
					if err := s.Send(str("first")); err != nil {
						return err
					}
					return tt.err
				},
			}
		}
		t.Run(tt.name, func(t *testing.T) {
			overAll(t, e, func(t *testing.T, p *pair) {
				_, err := p.unary(t.Context(), "")
				wantStatus(t, err, tt.code, tt.message)
				if d, ok := status.Detail[*durationpb.Duration](err); ok != (tt.name == "details") || ok && d.Seconds != 1 {
					t.Errorf("details %v", d)
				}
				ss, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str(""))
				if err == nil {
					_, err = ss.Recv()
				}
				wantStatus(t, err, tt.code, tt.message)
				cs, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient)
				if err == nil {
					_, err = cs.CloseAndRecv()
				}
				wantStatus(t, err, tt.code, tt.message)
				bs, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
				if err == nil {
					if _, err := bs.Recv(); err != nil {
						t.Error(err)
					}
					_, err = bs.Recv()
				}
				wantStatus(t, err, tt.code, tt.message)
			})
		})
	}
}

func TestHandlersWithoutResponse(t *testing.T) {
	e := func() *echo {
		return &echo{
			unary:  func(context.Context, *text) (*text, error) { return nil, nil },
			client: func(naru.ClientStreamingServer[text, text]) error { return nil },
		}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "")
		wantStatus(t, err, codes.Internal, "the handler returned no message")
		cs, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient)
		if err == nil {
			_, err = cs.CloseAndRecv()
		}
		wantStatus(t, err, codes.Internal, "the handler returned no message")
	})
}

func TestUnknownServiceHandler(t *testing.T) {
	h := func(method string, s naru.ServerStream) error {
		if method == "/some.Service/fail" {
			return status.Error(codes.FailedPrecondition, "as asked")
		}
		for {
			var m encoding.RawMessage
			if err := s.RecvMsg(&m); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(&m); err != nil {
				return err
			}
		}
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		res := new(text)
		err := p.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/some.Service/echo"}, str("proxied"), res)
		wantText(t, res.Value, err, "proxied")
		err = p.Invoke(t.Context(), &naru.MethodInfo{FullMethod: "/some.Service/fail"}, str("proxied"), res)
		wantStatus(t, err, codes.FailedPrecondition, "as asked")
		got, err := p.unary(t.Context(), "known")
		wantText(t, got, err, "known")
	}, serverOnly{naru.WithUnknownServiceHandler(h)})
}
