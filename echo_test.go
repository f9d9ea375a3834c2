package naru_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// text is the message of all test services.
type text = wrapperspb.StringValue

func str(s string) *text { return wrapperspb.String(s) }

var (
	methodUnary  = &naru.MethodInfo{FullMethod: "/test.Echo/Unary"}
	methodServer = &naru.MethodInfo{FullMethod: "/test.Echo/Server", Kind: naru.KindServerStream}
	methodClient = &naru.MethodInfo{FullMethod: "/test.Echo/Client", Kind: naru.KindClientStream}
	methodBidi   = &naru.MethodInfo{FullMethod: "/test.Echo/Bidi", Kind: naru.KindBidi}
)

// echo is a service whose handlers a test may replace.
type echo struct {
	unary  func(context.Context, *text) (*text, error)
	server func(*text, naru.ServerStreamingServer[text]) error
	client func(naru.ClientStreamingServer[text, text]) error
	bidi   func(naru.BidiStreamingServer[text, text]) error
}

func (e *echo) desc() *naru.ServiceDesc {
	if e.unary == nil {
		e.unary = func(_ context.Context, m *text) (*text, error) { return m, nil }
	}
	if e.server == nil {
		e.server = func(m *text, s naru.ServerStreamingServer[text]) error {
			for _, w := range strings.Fields(m.Value) {
				if err := s.Send(str(w)); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if e.client == nil {
		e.client = func(s naru.ClientStreamingServer[text, text]) error {
			var all []string
			for m, err := range s.All() {
				if err != nil {
					return err
				}
				all = append(all, m.Value)
			}
			return s.SendAndClose(str(strings.Join(all, " ")))
		}
	}
	if e.bidi == nil {
		e.bidi = func(s naru.BidiStreamingServer[text, text]) error {
			for {
				m, err := s.Recv()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if err := s.Send(m); err != nil {
					return err
				}
			}
		}
	}
	return &naru.ServiceDesc{Name: "test.Echo", Methods: []naru.MethodDesc{
		stub.UnaryHandler(methodUnary, e.unary),
		stub.ServerStreamHandler(methodServer, e.server),
		stub.ClientStreamHandler(methodClient, e.client),
		stub.BidiStreamHandler(methodBidi, e.bidi),
	}}
}

// quiet is a logger for tests whose logs nobody reads.
var quiet = slog.New(slog.DiscardHandler)

// pair is a server and a client of it.
type pair struct {
	*naru.Client
	srv     *naru.Server
	mounted *http.Server // what serves srv; nil: it serves itself
}

func (p *pair) unary(ctx context.Context, s string, opts ...naru.CallOption) (string, error) {
	res := new(text)
	err := p.Invoke(ctx, methodUnary, str(s), res, opts...)
	return res.Value, err
}

// transports are what overAll runs a test over. "nethttp" is a server mounted in one of net/http's.
var transports = []string{"inproc", "http2", "nethttp"}

// overAll runs a test over all transports.
func overAll(t *testing.T, e func() *echo, f func(t *testing.T, p *pair), opts ...any) {
	t.Helper()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) { f(t, start(t, transport, e(), opts...)) })
	}
}

// start starts a server with e and a client of it, and ends them with the test.
func start(t testing.TB, transport string, e *echo, opts ...any) *pair {
	t.Helper()
	srvOpts := []naru.ServerOption{naru.WithLogger(quiet)}
	clientOpts := []naru.ClientOption{naru.WithLogger(quiet), naru.WithPlaintext()}
	for _, o := range opts {
		switch o := o.(type) {
		case naru.Option:
			t.Fatalf("say for which side: %T", o)
		case serverOnly:
			srvOpts = append(srvOpts, o.ServerOption)
		case clientOnly:
			clientOpts = append(clientOpts, o.ClientOption)
		default:
			t.Fatalf("unknown option %T", o)
		}
	}
	srv, err := naru.NewServer(srvOpts...)
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(e.desc())
	p := &pair{srv: srv}
	if transport == "inproc" {
		p.Client, err = naru.InProcess(srv, clientOpts...)
	} else {
		lis, lerr := net.Listen("tcp", "127.0.0.1:0")
		if lerr != nil {
			t.Fatal(lerr)
		}
		served := make(chan error, 1)
		if transport == "nethttp" {
			p.mounted = serveMounted(srv, lis, served)
		} else {
			go func() { served <- srv.Serve(lis) }()
		}
		t.Cleanup(func() {
			if err := <-served; err != nil && err != naru.ErrServerClosed { // a test may end before Serve begins
				t.Errorf("Serve: %v", err)
			}
		})
		p.Client, err = naru.NewClient("passthrough:///"+lis.Addr().String(), clientOpts...)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Client.Close()
		_ = srv.Close()
		if p.mounted != nil {
			_ = p.mounted.Close()
		}
	})
	return p
}

// serverOnly and clientOnly say which side of a pair an option is for.
type (
	serverOnly struct{ naru.ServerOption }
	clientOnly struct{ naru.ClientOption }
)

func plain() *echo { return &echo{} }

func wantText(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil || got != want {
		t.Fatalf("got %q, %v; want %q", got, err, want)
	}
}

func TestUnary(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		for i := range 50 {
			s := fmt.Sprint("hello ", i)
			got, err := p.unary(t.Context(), s)
			wantText(t, got, err, s)
		}
	})
}

func TestServerStream(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		s, err := stub.NewServerStreamingClient[text](t.Context(), p, methodServer, str("one two three"))
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
		wantText(t, strings.Join(got, " "), nil, "one two three")
	})
}

func TestClientStream(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		s, err := stub.NewClientStreamingClient[text, text](t.Context(), p, methodClient)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range []string{"one", "two", "three"} {
			if err := s.Send(str(w)); err != nil {
				t.Fatal(err)
			}
		}
		m, err := s.CloseAndRecv()
		wantText(t, m.GetValue(), err, "one two three")
	})
}

func TestBidi(t *testing.T) {
	overAll(t, plain, func(t *testing.T, p *pair) {
		s, err := stub.NewBidiStreamingClient[text, text](t.Context(), p, methodBidi)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			want := fmt.Sprint("ping ", i)
			if err := s.Send(str(want)); err != nil {
				t.Fatal(err)
			}
			m, err := s.Recv()
			wantText(t, m.GetValue(), err, want)
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(); err != io.EOF {
			t.Fatalf("after CloseSend: %v, %v; want io.EOF", m, err)
		}
	})
}

// naruHeader returns the first value of a key of the request's metadata.
func naruHeader(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}
