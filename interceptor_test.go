package naru_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
)

// journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) want(t *testing.T, why string, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Errorf("%s:\n got %s\nwant %s", why, strings.Join(j.lines, "; "), strings.Join(want, "; "))
	}
	j.lines = nil
}

// noting is an interceptor that writes down when it begins and how it ends.
func (j *journal) noting(name string) naru.Interceptor {
	return func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		j.add("%s %s %s", name, c.Side(), c.Method().Name())
		err := next(ctx)
		j.add("%s %v", name, status.Code(err))
		return err
	}
}

// callAllKinds makes a call of each kind and returns their errors.
func callAllKinds(ctx context.Context, cc naru.ClientConnInterface, opts ...naru.CallOption) map[string]error {
	errs := make(map[string]error)
	errs["Unary"] = cc.Invoke(ctx, methodUnary, str("a"), new(text), opts...)
	if s, err := stub.NewServerStreamingClient[text](ctx, cc, methodServer, str("a b"), opts...); err != nil {
		errs["Server"] = err
	} else {
		for err == nil {
			_, err = s.Recv()
		}
		errs["Server"] = err
	}
	if s, err := stub.NewClientStreamingClient[text, text](ctx, cc, methodClient, opts...); err != nil {
		errs["Client"] = err
	} else {
		_ = s.Send(str("a"))
		_, errs["Client"] = s.CloseAndRecv()
	}
	if s, err := stub.NewBidiStreamingClient[text, text](ctx, cc, methodBidi, opts...); err != nil {
		errs["Bidi"] = err
	} else {
		_ = s.Send(str("a"))
		_ = s.CloseSend()
		for err == nil {
			_, err = s.Recv()
		}
		errs["Bidi"] = err
	}
	for kind, err := range errs {
		if err == io.EOF {
			errs[kind] = nil
		}
	}
	return errs
}

func TestInterceptorOrder(t *testing.T) {
	var j journal
	overAll(t, plain, func(t *testing.T, p *pair) {
		for kind, err := range callAllKinds(t.Context(), p) {
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		var want []string
		for _, m := range []string{"Unary", "Server", "Client", "Bidi"} {
			want = append(want, "one client "+m, "two client "+m, "three server "+m)
			if m == "Client" {
				want = append(want, "scoped server "+m)
			}
			want = append(want, "four server "+m, "four OK")
			if m == "Client" {
				want = append(want, "scoped OK")
			}
			want = append(want, "three OK", "two OK", "one OK")
		}
		j.want(t, "order", want...)
	},
		clientOnly{naru.WithInterceptors(j.noting("one"), j.noting("two"))},
		clientOnly{naru.WithInterceptorsFor("other.Service", j.noting("never"))},
		serverOnly{naru.WithInterceptors(j.noting("three"))},
		serverOnly{naru.WithInterceptorsFor("/test.Echo/Client", j.noting("scoped"))},
		serverOnly{naru.WithInterceptorsFor("test.Echo", j.noting("four"))})
}

func TestInterceptorsRefuse(t *testing.T) {
	refuse := func(context.Context, *naru.Call, func(context.Context) error) error {
		return status.Error(codes.PermissionDenied, "not you")
	}
	for _, side := range []any{serverOnly{naru.WithInterceptors(refuse)}, clientOnly{naru.WithInterceptors(refuse)}} {
		overAll(t, func() *echo {
			return &echo{unary: func(context.Context, *text) (*text, error) {
				t.Error("a refused call reached the handler")
				return nil, nil
			}}
		}, func(t *testing.T, p *pair) {
			for kind, err := range callAllKinds(t.Context(), p) {
				if status.Code(err) != codes.PermissionDenied {
					t.Errorf("%s: %v", kind, err)
				}
			}
		}, side)
	}
}

func TestInterceptorsReplaceTheStatus(t *testing.T) {
	replace := func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
		if err := next(ctx); err != nil {
			return err
		}
		return status.Error(codes.DataLoss, "replaced")
	}
	for _, side := range []any{serverOnly{naru.WithInterceptors(replace)}, clientOnly{naru.WithInterceptors(replace)}} {
		overAll(t, plain, func(t *testing.T, p *pair) {
			for kind, err := range callAllKinds(t.Context(), p) {
				wantStatus(t, err, codes.DataLoss, "replaced")
				if err == nil {
					t.Error(kind)
				}
			}
		}, side)
	}
}

type userKey struct{}

func TestInterceptorContext(t *testing.T) {
	e := func() *echo {
		return &echo{
			unary: func(ctx context.Context, _ *text) (*text, error) {
				return str(fmt.Sprint(ctx.Value(userKey{}))), nil
			},
			bidi: func(s naru.BidiStreamingServer[text, text]) error {
				return s.Send(str(fmt.Sprint(s.Context().Value(userKey{}))))
			},
		}
	}
	server := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		return next(context.WithValue(ctx, userKey{}, c.RequestHeader(ctx).First("token")))
	}
	client := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		return next(metadata.AppendToOutgoingContext(ctx, "token", "t-"+c.Method().Name()))
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		got, err := p.unary(t.Context(), "")
		wantText(t, got, err, "t-Unary")
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Recv()
		wantText(t, m.GetValue(), err, "t-Bidi")
		_ = s.Close()
	}, serverOnly{naru.WithInterceptors(server)}, clientOnly{naru.WithInterceptors(client)})
}

func TestMessageHooks(t *testing.T) {
	shout := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		c.OnReceive(func(m any, info naru.MessageInfo) error {
			if info.WireSize != info.Size+5 || info.Compressed {
				return fmt.Errorf("info %+v", info)
			}
			m.(*text).Value += "<" + c.Side().String()
			return nil
		})
		c.OnSend(func(m any) (any, error) {
			return str(m.(*text).Value + ">" + c.Side().String()), nil
		})
		return next(ctx)
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		req := str("x")
		res := new(text)
		if err := p.Invoke(t.Context(), methodUnary, req, res); err != nil {
			t.Fatal(err)
		}
		const want = "x>client<server>server<client"
		if res.Value != want || req.Value != "x" {
			t.Errorf("got %q, want %q; the request became %q", res.Value, want, req.Value)
		}
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Send(str("x"))
		m, err := s.Recv()
		wantText(t, m.GetValue(), err, want)
		_ = s.Close()
	}, serverOnly{naru.WithInterceptors(shout)}, clientOnly{naru.WithInterceptors(shout)})
}

func TestHooksEndTheCall(t *testing.T) {
	for _, tt := range []struct {
		side string
		hook func(c *naru.Call)
	}{
		{"server", func(c *naru.Call) {
			c.OnReceive(func(any, naru.MessageInfo) error { return status.Error(codes.InvalidArgument, "hook") })
		}},
		{"server", func(c *naru.Call) {
			c.OnSend(func(any) (any, error) { return nil, status.Error(codes.InvalidArgument, "hook") })
		}},
		{"client", func(c *naru.Call) {
			c.OnReceive(func(any, naru.MessageInfo) error { return status.Error(codes.InvalidArgument, "hook") })
		}},
		{"client", func(c *naru.Call) {
			c.OnSend(func(any) (any, error) { return nil, status.Error(codes.InvalidArgument, "hook") })
		}},
	} {
		in := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
			tt.hook(c)
			return next(ctx)
		}
		var opt any = serverOnly{naru.WithInterceptors(in)}
		if tt.side == "client" {
			opt = clientOnly{naru.WithInterceptors(in)}
		}
		overAll(t, plain, func(t *testing.T, p *pair) {
			for kind, err := range callAllKinds(t.Context(), p) {
				if status.Code(err) != codes.InvalidArgument {
					t.Errorf("%s: %v", kind, err)
				}
			}
		}, opt)
	}
}

func TestWhatInterceptorsSee(t *testing.T) {
	var j journal
	see := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		if c.Side() == stats.Server {
			_ = naru.SetHeader(ctx, metadata.Pairs("h", "1"))
			_ = naru.SetTrailer(ctx, metadata.Pairs("t", "2"))
		}
		err := next(ctx)
		peer := "none"
		if a := c.Peer().Addr; a != nil {
			peer = a.Network()
		}
		j.add("%s %s header %v trailer %v sent %v received %v attempts %d peer %s", c.Side(), c.Kind(),
			c.ResponseHeader(), c.ResponseTrailer(), c.Sent(), c.Received(), c.Attempts(), peer)
		return err
	}
	for _, transport := range []string{"inproc", "http2"} {
		p := start(t, transport, plain(), serverOnly{naru.WithInterceptors(see)}, clientOnly{naru.WithInterceptors(see)})
		callAllKinds(t.Context(), p)
		network := map[string]string{"inproc": "inproc", "http2": "tcp"}[transport]
		const one, two = "{1 3 8}", "{2 6 16}"
		var want []string
		for _, k := range []struct{ kind, up, down string }{
			{"unary", one, one}, {"server stream", "{1 5 10}", two}, {"client stream", one, one}, {"bidi", one, one},
		} {
			want = append(want,
				fmt.Sprintf("server %s header map[h:[1]] trailer map[t:[2]] sent %s received %s attempts 0 peer %s", k.kind, k.down, k.up, network),
				fmt.Sprintf("client %s header map[h:[1]] trailer map[t:[2]] sent %s received %s attempts 1 peer %s", k.kind, k.up, k.down, network))
		}
		j.want(t, transport, want...)
	}
}

// A client's interceptor may call next again: a retry of its own.
func TestInterceptorRetries(t *testing.T) {
	n := 0
	e := handle(func(_ context.Context, m *text) (*text, error) {
		if n++; n < 3 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
		return m, nil
	})
	retry := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		for {
			err := next(ctx)
			if status.Code(err) != codes.Unavailable || c.Attempts() == 5 {
				return err
			}
		}
	}
	overAll(t, e, func(t *testing.T, p *pair) {
		n = 0
		got, err := p.unary(t.Context(), "again")
		wantText(t, got, err, "again")
		if n != 3 {
			t.Errorf("%d attempts, want 3", n)
		}
	}, clientOnly{naru.WithInterceptors(retry)})
}

func TestInterceptorMistakes(t *testing.T) {
	twice := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		if err := next(ctx); err != nil {
			return err
		}
		return next(ctx)
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		_ = s.CloseSend()
		_, err = s.Recv()
		wantStatus(t, err, codes.Internal, "an interceptor called next again on a stream that had begun")
	}, clientOnly{naru.WithInterceptors(twice)})
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "x")
		wantStatus(t, err, codes.Internal, "an interceptor called next more than once on a server")
	}, serverOnly{naru.WithInterceptors(twice)})
	never := func(context.Context, *naru.Call, func(context.Context) error) error { return nil }
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "x")
		wantStatus(t, err, codes.Internal, "an interceptor returned nil, but the call has no response: call next, Call.SetResponse or Call.HandleStream, or return an error")
		_, err = stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		wantStatus(t, err, codes.Internal, "an interceptor returned nil, but the call has no response: call next, Call.SetResponse or Call.HandleStream, or return an error")
	}, clientOnly{naru.WithInterceptors(never)})
	panics := func(context.Context, *naru.Call, func(context.Context) error) error { panic("in an interceptor") }
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "x")
		wantStatus(t, err, codes.Internal, "the handler panicked")
	}, serverOnly{naru.WithInterceptors(panics)})
}

func TestAuthenticator(t *testing.T) {
	auth := func(ctx context.Context, c *naru.Call) (context.Context, error) {
		switch token := c.RequestHeader(ctx).First("authorization"); token {
		case "":
			return nil, status.Error(codes.Unauthenticated, "no token")
		case "plain error":
			return nil, errors.New("secret details")
		default:
			return context.WithValue(ctx, userKey{}, token), nil
		}
	}
	e := handle(func(ctx context.Context, _ *text) (*text, error) { return str(fmt.Sprint(ctx.Value(userKey{}))), nil })
	overAll(t, e, func(t *testing.T, p *pair) {
		for kind, err := range callAllKinds(t.Context(), p) {
			if status.Code(err) != codes.Unauthenticated {
				t.Errorf("%s: %v", kind, err)
			}
		}
		for kind, err := range callAllKinds(t.Context(), p, naru.WithMetadata("authorization", "me")) {
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
		}
		got, err := p.unary(t.Context(), "", naru.WithMetadata("authorization", "me"))
		wantText(t, got, err, "me")
		_, err = p.unary(t.Context(), "", naru.WithMetadata("authorization", "plain error"))
		wantStatus(t, err, codes.Unauthenticated, "authentication failed")
	}, serverOnly{naru.WithAuthenticator(auth)})
}
