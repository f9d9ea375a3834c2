package peers

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	narrowBuffer = 8 << 10
	narrowCalls  = 600
	// narrowMessage is more than a socket holds, so that both ends must write and read at the
	// same time, again and again.
	narrowMessage = 20_000
)

// A narrowListener gives its connections small buffers.
type narrowListener struct{ net.Listener }

func (l narrowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return narrow(c)
}

func narrow(c net.Conn) (net.Conn, error) {
	u := c.(*net.UnixConn)
	if err := u.SetReadBuffer(narrowBuffer); err != nil {
		return nil, err
	}
	return c, u.SetWriteBuffer(narrowBuffer)
}

func dialNarrow(ctx context.Context, path string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return narrow(c)
}

func listenNarrow(t *testing.T) (net.Listener, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return narrowListener{lis}, path
}

// An end that stops reading while it cannot write holds up the other for ever if that does the
// same. 600 calls at once on one socket that holds less than one message find such ends.
func TestNarrowSocket(t *testing.T) {
	servers := map[string]func(*testing.T, net.Listener){
		"naru": func(t *testing.T, lis net.Listener) {
			g := newOpenGate()
			srv := newNaruServer(t, nil)
			srv.RegisterService(&naru.ServiceDesc{Name: "peers.Gate", Methods: []naru.MethodDesc{stub.UnaryHandler(gateMethod, g.pass)}})
			serveNaru(t, srv, lis)
		},
		"grpc-go": func(t *testing.T, lis net.Listener) {
			srv := newGRPCGoServer(nil)
			srv.RegisterService(grpcGoGate(newOpenGate()), nil)
			serveGRPCGo(t, srv, lis)
		},
	}
	clients := map[string]func(*testing.T, string) func(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error){
		"naru": func(t *testing.T, path string) func(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			cc := dialNaru(t, "passthrough:///narrow", nil, naru.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialNarrow(ctx, path)
			}))
			return func(ctx context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
				out := new(wrapperspb.StringValue)
				return out, cc.Invoke(ctx, gateMethod, in, out)
			}
		},
		"grpc-go": func(t *testing.T, path string) func(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			cc := dialGRPCGo(t, "passthrough:///narrow", nil, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return dialNarrow(ctx, path)
			}))
			return func(ctx context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
				out := new(wrapperspb.StringValue)
				return out, cc.Invoke(ctx, gatePath, in, out)
			}
		},
	}
	for serverName, serve := range servers {
		for clientName, dial := range clients {
			t.Run(clientName+" client, "+serverName+" server", func(t *testing.T) {
				lis, path := listenNarrow(t)
				serve(t, lis)
				echoAtOnce(t, dial(t, path))
			})
		}
	}
}

// newOpenGate returns a gate that lets everyone through.
func newOpenGate() *gate {
	g := &gate{entered: make(chan struct{}, narrowCalls), open: make(chan struct{})}
	close(g.open)
	return g
}

func echoAtOnce(t *testing.T, call func(context.Context, *wrapperspb.StringValue) (*wrapperspb.StringValue, error)) {
	ctx := within(t, 60*time.Second)
	message := strings.Repeat("narrow ", narrowMessage/7)
	var calls sync.WaitGroup
	start := make(chan struct{})
	for range narrowCalls {
		calls.Go(func() {
			<-start
			out, err := call(ctx, wrapperspb.String(message))
			if err != nil {
				t.Errorf("call: %v", err)
			} else if out.Value != message {
				t.Errorf("%d bytes came back, not those that were sent", len(out.Value))
			}
		})
	}
	close(start)
	calls.Wait()
}
