package naru_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type other = wrapperspb.Int32Value

// cache keeps the responses of unary calls by their requests.
type cache struct {
	mu   sync.Mutex
	kept map[string]proto.Message
}

func (c *cache) intercept(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	req, err := call.Request()
	if err != nil {
		return err
	}
	key := req.(*text).Value
	c.mu.Lock()
	kept := c.kept[key]
	c.mu.Unlock()
	if kept != nil {
		return call.SetResponse(kept)
	}
	if err := next(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[key] = proto.Clone(call.Response().(proto.Message))
	return nil
}

func onBothSides(t *testing.T, in naru.Interceptor, e func() *echo, f func(t *testing.T, p *pair)) {
	t.Helper()
	for _, side := range []any{serverOnly{naru.WithInterceptors(in)}, clientOnly{naru.WithInterceptors(in)}} {
		overAll(t, e, f, side)
	}
}

func TestInterceptorCachesAUnaryMethod(t *testing.T) {
	for _, on := range []func(naru.Interceptor) any{
		func(in naru.Interceptor) any { return serverOnly{naru.WithInterceptors(in)} },
		func(in naru.Interceptor) any { return clientOnly{naru.WithInterceptors(in)} },
	} {
		for _, transport := range []string{"inproc", "http2"} {
			var handled []string
			e := &echo{unary: func(_ context.Context, m *text) (*text, error) {
				handled = append(handled, m.Value)
				return str("re: " + m.Value), nil
			}}
			c := &cache{kept: make(map[string]proto.Message)}
			p := start(t, transport, e, on(c.intercept))
			for _, q := range []string{"a", "b", "a", "a"} {
				res := str("left from before")
				if err := p.Invoke(t.Context(), methodUnary, str(q), res); err != nil || res.Value != "re: "+q {
					t.Errorf("%q, %v, want re: %s", res.Value, err, q)
				}
				res.Value = "changed by the program"
			}
			if !slices.Equal(handled, []string{"a", "b"}) {
				t.Errorf("%s: handled %q, want each request once", transport, handled)
			}
		}
	}
}

func TestInterceptorReplacesRequestAndResponse(t *testing.T) {
	var sent, received stats.Count
	both := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		req, err := call.Request()
		if err != nil {
			return err
		}
		if call.Response() != nil {
			t.Error("a response before next")
		}
		if err := call.SetRequest(str(req.(*text).Value + "+")); err != nil {
			return err
		}
		if err := next(ctx); err != nil {
			return err
		}
		defer func() { sent, received = call.Sent(), call.Received() }()
		return call.SetResponse(str(call.Response().(*text).Value + "!"))
	}
	onBothSides(t, both, plain, func(t *testing.T, p *pair) {
		got, err := p.unary(t.Context(), "a")
		wantText(t, got, err, "a+!")
		if sent.Messages != 1 || received.Messages != 1 {
			t.Errorf("sent %v, received %v, want one message each", sent, received)
		}
	})
}

func TestInterceptorFallsBack(t *testing.T) {
	failing := func() *echo {
		return &echo{
			unary:  func(context.Context, *text) (*text, error) { return nil, status.Error(codes.Unavailable, "down") },
			client: func(naru.ClientStreamingServer[text, text]) error { return status.Error(codes.Unavailable, "down") },
		}
	}
	fallback := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		err := next(ctx)
		if status.Code(err) != codes.Unavailable {
			return err
		}
		return call.SetResponse(str("default"))
	}
	onBothSides(t, fallback, failing, func(t *testing.T, p *pair) {
		got, err := p.unary(t.Context(), "a")
		wantText(t, got, err, "default")
		s, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient)
		if err != nil {
			t.Fatal(err)
		}
		res, err := s.CloseAndRecv()
		wantText(t, res.GetValue(), err, "default")
	})
}

// TestInterceptorOutsideSeesTheSuppliedResponse: what an inner interceptor supplies is the response
// of those around it.
func TestInterceptorOutsideSeesTheSuppliedResponse(t *testing.T) {
	outer := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		err := next(ctx)
		if res, ok := call.Response().(*text); !ok || res.Value != "mock" {
			t.Errorf("response %v", call.Response())
		}
		return err
	}
	inner := func(_ context.Context, call *naru.Call, _ func(context.Context) error) error {
		return call.SetResponse(str("mock"))
	}
	for _, side := range []any{serverOnly{naru.WithInterceptors(outer, inner)}, clientOnly{naru.WithInterceptors(outer, inner)}} {
		overAll(t, plain, func(t *testing.T, p *pair) {
			got, err := p.unary(t.Context(), "a")
			wantText(t, got, err, "mock")
		}, side)
	}
}

// mockStreams plays the server of every streaming method.
func mockStreams(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
	if call.Kind() == naru.KindUnary {
		return next(ctx)
	}
	return call.HandleStream(ctx, func(s naru.ServerStream) error {
		if err := s.SetHeader(metadata.Pairs("from", "mock")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("end", "mock"))
		if !call.Kind().ClientStreams() {
			req, err := call.Request()
			if err != nil {
				return err
			}
			for range 2 {
				if err := s.SendMsg(str("mock " + req.(*text).Value)); err != nil {
					return err
				}
			}
			return nil
		}
		var all []string
		for {
			m := new(text)
			err := s.RecvMsg(m)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			all = append(all, m.Value)
			if call.Kind().ServerStreams() {
				m.Value = "mock " + m.Value
				if err := s.SendMsg(m); err != nil {
					return err
				}
				m.Value = "overwritten"
			}
		}
		if call.Kind().ServerStreams() {
			return status.Error(codes.Aborted, "mock ended")
		}
		return s.SendMsg(str("mock " + strings.Join(all, " ")))
	})
}

func TestInterceptorHandlesStreams(t *testing.T) {
	unreached := func() *echo {
		return &echo{
			server: func(*text, naru.ServerStreamingServer[text]) error { t.Error("handler called"); return nil },
			client: func(naru.ClientStreamingServer[text, text]) error { t.Error("handler called"); return nil },
			bidi:   func(naru.BidiStreamingServer[text, text]) error { t.Error("handler called"); return nil },
		}
	}
	onBothSides(t, mockStreams, unreached, func(t *testing.T, p *pair) {
		ss, err := stub.NewServerStreamingClient[text](t.Context(), p.Client, methodServer, str("a"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for m, err := range ss.All() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Value)
		}
		if !slices.Equal(got, []string{"mock a", "mock a"}) {
			t.Errorf("server stream: %q", got)
		}
		wantMock(t, ss)

		cs, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{"a", "b"} {
			if err := cs.Send(str(w)); err != nil {
				t.Fatal(err)
			}
		}
		res, err := cs.CloseAndRecv()
		wantText(t, res.GetValue(), err, "mock a b")
		wantMock(t, cs)

		bs, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{"a", "b"} {
			if err := bs.SendMsg(naru.Uncompressed(str(w))); err != nil {
				t.Fatal(err)
			}
			m, err := bs.Recv()
			wantText(t, m.GetValue(), err, "mock "+w)
		}
		if err := bs.CloseSend(); err != nil {
			t.Fatal(err)
		}
		_, err = bs.Recv()
		wantStatus(t, err, codes.Aborted, "mock ended")
		wantMock(t, bs)
	})
}

func wantMock(t *testing.T, s naru.ClientStream) {
	t.Helper()
	if md, err := s.Header(); err != nil || md.First("from") != "mock" {
		t.Errorf("header %v, %v", md, err)
	}
	if md := s.Trailer(); md.First("end") != "mock" {
		t.Errorf("trailer %v", md)
	}
}

// TestInterceptorHandlesStreamsWithoutAServer: a client's mock needs no connection.
func TestInterceptorHandlesStreamsWithoutAServer(t *testing.T) {
	cl, err := naru.NewClient("passthrough:///127.0.0.1:1", naru.WithPlaintext(), naru.WithInterceptors(mockStreams))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	s, err := stub.NewServerStreamingClient[text](t.Context(), cl, methodServer, str("a"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv()
	wantText(t, m.GetValue(), err, "mock a")
	if err := s.Close(); err != nil { // before the second message
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after Close: %v, want CANCELED", err)
	}
}

// TestHandledStreamFallsBack: a stream that could not be begun is handled locally.
func TestHandledStreamFallsBack(t *testing.T) {
	in := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		refused, cancel := context.WithCancel(ctx)
		cancel()
		if err := next(refused); status.Code(err) != codes.Canceled {
			t.Errorf("%v, want CANCELED", err)
		}
		return mockStreams(ctx, call, next)
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(str("a")); err != nil {
			t.Fatal(err)
		}
		m, err := s.Recv()
		wantText(t, m.GetValue(), err, "mock a")
		_ = s.Close()
	}, clientOnly{naru.WithInterceptors(in)})
}

// TestServerSendsMoreAfterNext: on a server the stream is open until the outermost interceptor
// returns.
func TestServerSendsMoreAfterNext(t *testing.T) {
	more := func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		if err := next(ctx); err != nil {
			return err
		}
		return call.HandleStream(ctx, func(s naru.ServerStream) error { return s.SendMsg(str("more")) })
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		s, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str("a b"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for m, err := range s.All() {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Value)
		}
		if !slices.Equal(got, []string{"a", "b", "more"}) {
			t.Errorf("got %q", got)
		}
	}, serverOnly{naru.WithInterceptors(more)})
}

func TestHandledStreamEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		in := func(ctx context.Context, call *naru.Call, _ func(context.Context) error) error {
			return call.HandleStream(ctx, func(s naru.ServerStream) error {
				err := s.RecvMsg(new(text))
				ended <- err
				return err
			})
		}
		cl, err := naru.NewClient("passthrough:///nowhere", naru.WithPlaintext(), naru.WithInterceptors(in))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		ctx, cancel := context.WithCancel(t.Context())
		s, err := stub.NewBidiStreamingClient[text, text](ctx, cl, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		cancel()
		if _, err := s.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("the program got %v, want CANCELED", err)
		}
		if err := <-ended; status.Code(err) != codes.Canceled {
			t.Errorf("the interceptor got %v, want CANCELED", err)
		}
		synctest.Wait()
		if _, err := s.Header(); err != nil { // the handler's end completes it
			t.Errorf("header: %v", err)
		}
	})
}

func TestSuppliedResponseMistakes(t *testing.T) {
	type call struct {
		kind string
		in   func(ctx context.Context, call *naru.Call, next func(context.Context) error) error
		want string // of the status message, on a client
	}
	nothing := func(naru.ServerStream) error { return nil }
	for name, tt := range map[string]call{
		"response of another type": {"Unary", func(_ context.Context, c *naru.Call, _ func(context.Context) error) error {
			return c.SetResponse(new(other))
		}, "Call.SetResponse: the message is a *wrapperspb.Int32Value, want *wrapperspb.StringValue"},
		"nil response": {"Unary", func(_ context.Context, c *naru.Call, _ func(context.Context) error) error {
			return c.SetResponse(nil)
		}, "Call.SetResponse: the message is a <nil>, want *wrapperspb.StringValue"},
		"request of another type": {"Unary", func(_ context.Context, c *naru.Call, _ func(context.Context) error) error {
			return c.SetRequest(new(other))
		}, "Call.SetRequest: the message is a *wrapperspb.Int32Value, want *wrapperspb.StringValue"},
		"unary as stream": {"Unary", func(ctx context.Context, c *naru.Call, _ func(context.Context) error) error {
			return c.HandleStream(ctx, nothing)
		}, "Call.HandleStream: the call is unary; use SetResponse"},
		"stream as unary": {"Server", func(_ context.Context, c *naru.Call, _ func(context.Context) error) error {
			return c.SetResponse(str("x"))
		}, "Call.SetResponse: a server stream call has no single response; use HandleStream"},
		"request of many": {"Bidi", func(_ context.Context, c *naru.Call, _ func(context.Context) error) error {
			_, err := c.Request()
			return err
		}, "Call.Request: a bidi call has no single request; use OnReceive or OnSend"},
		"no response": {"Client", func(ctx context.Context, c *naru.Call, _ func(context.Context) error) error {
			return c.HandleStream(ctx, nothing)
		}, "Call.HandleStream: the function returned nil and sent no response"},
		"after next": {"Bidi", func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
			if err := next(ctx); err != nil {
				return err
			}
			return c.HandleStream(ctx, nothing)
		}, "Call.HandleStream: next has begun a stream, which the program already uses"},
		"an error swallowed": {"Unary", func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_ = next(ended)
			return nil
		}, "an interceptor returned nil, but the call has no response: call next, Call.SetResponse or Call.HandleStream, or return an error"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "inproc", plain(), clientOnly{naru.WithInterceptors(tt.in)})
			wantStatus(t, callAllKinds(t.Context(), p)[tt.kind], codes.Internal, tt.want)
		})
	}
}

// TestSetRequestAfterNext: a handler has its request already; on a client another attempt may send
// another.
func TestSetRequestAfterNext(t *testing.T) {
	in := func(ctx context.Context, c *naru.Call, next func(context.Context) error) error {
		if err := next(ctx); err != nil {
			return err
		}
		if err := c.SetRequest(str("second")); err != nil {
			return err
		}
		return next(ctx)
	}
	overAll(t, plain, func(t *testing.T, p *pair) {
		_, err := p.unary(t.Context(), "first")
		wantStatus(t, err, codes.Internal, "Call.SetRequest: the handler has already been called")
	}, serverOnly{naru.WithInterceptors(in)})
	overAll(t, plain, func(t *testing.T, p *pair) {
		got, err := p.unary(t.Context(), "first")
		wantText(t, got, err, "second")
	}, clientOnly{naru.WithInterceptors(in)})
}
