package stub_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

type text = wrapperspb.StringValue

func str(s string) *text { return wrapperspb.String(s) }

// The methods of a service without a .proto file, one of each kind.
var (
	unary        = &naru.MethodInfo{FullMethod: "/test.Stub/Unary"}
	serverStream = &naru.MethodInfo{FullMethod: "/test.Stub/ServerStream", Kind: naru.KindServerStream}
	clientStream = &naru.MethodInfo{FullMethod: "/test.Stub/ClientStream", Kind: naru.KindClientStream}
	bidi         = &naru.MethodInfo{FullMethod: "/test.Stub/Bidi", Kind: naru.KindBidi}
)

// serve starts a server with these methods and returns a client of it.
func serve(t *testing.T, methods ...naru.MethodDesc) *naru.Client {
	return narutest.Serve(t, func(r naru.ServiceRegistrar) {
		r.RegisterService(&naru.ServiceDesc{Name: "test.Stub", Methods: methods})
	})
}

// otherConn is a ClientConnInterface that is no *naru.Client, as adapters are.
type otherConn struct{ naru.ClientConnInterface }

// failingConn begins streams whose sends fail.
type failingConn struct {
	naru.ClientConnInterface
	send, closeSend error
	closed          *int
}

func (c failingConn) NewStream(context.Context, *naru.MethodInfo, ...naru.CallOption) (naru.ClientStream, error) {
	return failingStream{c: c}, nil
}

type failingStream struct {
	naru.ClientStream
	c failingConn
}

func (s failingStream) SendMsg(any) error { return s.c.send }
func (s failingStream) CloseSend() error  { return s.c.closeSend }
func (s failingStream) Close() error      { *s.c.closed++; return nil }

func TestUnary(t *testing.T) {
	c := serve(t, stub.UnaryHandler(unary, func(_ context.Context, m *text) (*text, error) {
		switch m.Value {
		case "none":
			return nil, nil
		case "refuse":
			return str("not sent"), status.Error(codes.NotFound, "refused")
		}
		return str(m.Value + "!"), nil
	}))
	for _, tt := range []struct {
		send, want string
		code       codes.Code
	}{{"hello", "hello!", codes.OK}, {"none", "", codes.Internal}, {"refuse", "", codes.NotFound}} {
		var res text
		err := c.Invoke(t.Context(), unary, str(tt.send), &res)
		if status.Code(err) != tt.code || err == nil && res.Value != tt.want {
			t.Errorf("%s: %q, %v; want %q, %v", tt.send, res.Value, err, tt.want, tt.code)
		}
	}
}

// words sends each word of a request.
func words(m *text, s naru.ServerStreamingServer[text]) error {
	for _, r := range m.Value {
		if err := s.Send(str(string(r))); err != nil {
			return err
		}
	}
	if m.Value == "nil" {
		return s.Send(nil)
	}
	return nil
}

// A server stream is the same for a *naru.Client and for any other ClientConnInterface.
func TestServerStream(t *testing.T) {
	client := serve(t, stub.ServerStreamHandler(serverStream, words))
	for name, cc := range map[string]naru.ClientConnInterface{"client": client, "other": otherConn{client}} {
		t.Run(name, func(t *testing.T) {
			s, err := stub.NewServerStreamingClient[text](t.Context(), cc, serverStream, str("abc"))
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
			if !slices.Equal(got, []string{"a", "b", "c"}) {
				t.Errorf("got %q", got)
			}
			if _, err := s.Recv(); err != io.EOF {
				t.Errorf("after the end: %v, want io.EOF", err)
			}
			s, err = stub.NewServerStreamingClient[text](t.Context(), cc, serverStream, str("nil"))
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, e := range s.All() {
				n, err = n+1, e
			}
			if n != 4 || status.Code(err) != codes.Internal {
				t.Errorf("a nil message: %d steps, the last with %v; want three messages and INTERNAL", n, err)
			}
		})
	}
}

// Leaving the loop over a client's stream ends the call: its handler's context ends.
func TestLeavingTheLoopCloses(t *testing.T) {
	ended := make(chan error, 1) // one handler, one result
	client := serve(t, stub.ServerStreamHandler(serverStream, func(_ *text, s naru.ServerStreamingServer[text]) error {
		err := s.Send(str("one"))
		<-s.Context().Done()
		ended <- s.Context().Err()
		return err
	}))
	s, err := stub.NewServerStreamingClient[text](t.Context(), client, serverStream, str(""))
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range s.All() {
		if err != nil || m.Value != "one" {
			t.Fatalf("%v, %v", m, err)
		}
		break
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler's context: %v, want canceled", err)
	}
}

// What fails while a server-streaming call is begun is returned, and nothing stays open; io.EOF is
// for Recv to explain.
func TestServerStreamCannotBegin(t *testing.T) {
	refused := status.Error(codes.Unavailable, "no")
	for _, tt := range []struct {
		name            string
		send, closeSend error
		want            error
		closed          int
	}{
		{"send", refused, nil, refused, 1},
		{"close", nil, refused, refused, 1},
		{"the call has ended", io.EOF, nil, nil, 0},
	} {
		closed := 0
		s, err := stub.NewServerStreamingClient[text](t.Context(), failingConn{send: tt.send, closeSend: tt.closeSend, closed: &closed}, serverStream, str(""))
		if err != tt.want || closed != tt.closed || (s == nil) != (tt.want != nil) {
			t.Errorf("%s: %v, closed %d times; want %v and %d", tt.name, err, closed, tt.want, tt.closed)
		}
	}
}

func TestClientStream(t *testing.T) {
	client := serve(t, stub.ClientStreamHandler(clientStream, func(s naru.ClientStreamingServer[text, text]) error {
		all := ""
		for m, err := range s.All() {
			if err != nil {
				return err
			}
			all += m.Value
		}
		if all == "" {
			return s.SendAndClose(nil)
		}
		return s.SendAndClose(str(all))
	}))
	s, err := stub.NewClientStreamingClient[text, text](t.Context(), client, clientStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(nil); status.Code(err) != codes.Internal {
		t.Errorf("send nil: %v, want INTERNAL", err)
	}
	for _, w := range []string{"a", "b"} {
		if err := s.Send(str(w)); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := s.CloseAndRecv(); err != nil || m.Value != "ab" {
		t.Errorf("%v, %v; want ab", m, err)
	}
	if s, err = stub.NewClientStreamingClient[text, text](t.Context(), client, clientStream); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CloseAndRecv(); status.Code(err) != codes.Internal {
		t.Errorf("a nil response: %v, want INTERNAL", err)
	}
}

func TestBidi(t *testing.T) {
	client := serve(t, stub.BidiStreamHandler(bidi, func(s naru.BidiStreamingServer[text, text]) error {
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
	}))
	s, err := stub.NewBidiStreamingClient[text, text](t.Context(), client, bidi)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []string{"a", "b"} {
		if err := s.Send(str(w)); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(); err != nil || m.Value != w {
			t.Errorf("%v, %v; want %s", m, err, w)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Recv(); err != io.EOF {
		t.Errorf("after CloseSend: %v, %v; want io.EOF", m, err)
	}
}

// A client that cannot begin a stream returns a status error, for every kind.
func TestNoStreamOnAClosedClient(t *testing.T) {
	client := serve(t)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	_, one := stub.NewServerStreamingClient[text](t.Context(), client, serverStream, str(""))
	_, two := stub.NewClientStreamingClient[text, text](t.Context(), client, clientStream)
	_, three := stub.NewBidiStreamingClient[text, text](t.Context(), client, bidi)
	for i, err := range []error{one, two, three} {
		if status.Code(err) != codes.Canceled {
			t.Errorf("kind %d: %v, want CANCELED", i+1, err)
		}
	}
}

// What adapters ask of a call is there in its handler alone.
func TestAdapterContext(t *testing.T) {
	var subtype string
	var accepted []string
	client := serve(t, stub.UntypedHandler(unary, func(s naru.ServerStream) error {
		subtype, accepted = stub.ContentSubtype(s.Context()), stub.AcceptedCompressors(s.Context())
		m := new(text)
		if err := s.RecvMsg(m); err != nil {
			return err
		}
		return s.SendMsg(m)
	}))
	var res text
	if err := client.Invoke(t.Context(), unary, str("x"), &res); err != nil || res.Value != "x" {
		t.Fatalf("%v, %v", res.Value, err)
	}
	if subtype != "" && subtype != "proto" || !slices.Contains(accepted, "gzip") {
		t.Errorf("subtype %q, accepted %q", subtype, accepted)
	}
	if stub.ContentSubtype(t.Context()) != "" || stub.AcceptedCompressors(t.Context()) != nil {
		t.Error("a context that is no call's has a subtype or compressors")
	}
}
