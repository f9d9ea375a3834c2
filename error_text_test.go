package naru_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
)

// What a client reads of errors that were not written for it, and what the server's log says of
// them.
func TestErrorText(t *testing.T) {
	const secret = "dial tcp 10.0.0.7:5432: password of user shop is wrong"
	failing := handle(func(context.Context, *text) (*text, error) { return nil, errors.New(secret) })
	for _, tt := range []struct {
		send bool
		want string
	}{
		{false, "the handler failed; the reason is in the server's log"},
		{true, secret},
	} {
		t.Run(fmt.Sprint(tt.send), func(t *testing.T) {
			var log syncBuffer
			overAll(t, failing, func(t *testing.T, p *pair) {
				for range 100 {
					_, err := p.unary(t.Context(), "x")
					wantStatus(t, err, codes.Unknown, tt.want)
				}
			}, serverOnly{naru.WithErrorText(tt.send)}, serverOnly{naru.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))})
			// A line for each of the two servers, 100 calls each.
			if n := strings.Count(log.String(), secret); n != len(transports) && !tt.send || n != 0 && tt.send {
				t.Errorf("%d lines of the log have the text:\n%s", n, log.String())
			}
			if !tt.send && !strings.Contains(log.String(), "method=/test.Echo/Unary peer=127.0.0.1:") {
				t.Errorf("the log names no peer or method:\n%s", log.String())
			}
		})
	}
}

// Clients learn nothing of the Go types of a server.
func TestNoTypeNamesForClients(t *testing.T) {
	wrong := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		if err := c.SetRequest(new(other)); err != nil {
			return err
		}
		return next(ctx)
	}
	var log syncBuffer
	logged := serverOnly{naru.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
	unknown := func(what string) naru.ServerOption {
		return naru.WithUnknownServiceHandler(func(_ string, s naru.ServerStream) error {
			if what == "receive" {
				return s.RecvMsg(new(struct{ Secret int }))
			}
			return s.SendMsg(&struct{ Secret int }{})
		})
	}
	for name, opt := range map[string]naru.ServerOption{
		"interceptor": naru.WithInterceptors(wrong),
		"receive":     unknown("receive"),
		"send":        unknown("send"),
	} {
		t.Run(name, func(t *testing.T) {
			method := methodUnary
			if name != "interceptor" {
				method = &naru.MethodInfo{FullMethod: "/no.Such/method"}
			}
			overAll(t, plain, func(t *testing.T, p *pair) {
				err := p.Invoke(t.Context(), method, str("x"), new(text))
				if err == nil || strings.ContainsAny(err.Error(), "*{") || strings.Contains(err.Error(), "struct") || strings.Contains(err.Error(), "wrapperspb") {
					t.Errorf("got %v", err)
				}
			}, serverOnly{opt}, logged)
		})
	}
	if got := log.String(); !strings.Contains(got, "Secret") || !strings.Contains(got, "Int32Value") {
		t.Errorf("the log does not name the types:\n%s", got)
	}
	bad := encoding.RawMessage("\xff")
	overAll(t, plain, func(t *testing.T, p *pair) {
		err := p.Invoke(t.Context(), methodUnary, bad, new(text))
		if err == nil || !strings.Contains(err.Error(), "encoding: proto unmarshal google.protobuf.StringValue: ") {
			t.Errorf("a malformed message: %v", err)
		}
	})
}
