package peers

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/stub"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const gatePath = "/peers.Gate/pass"

var gateMethod = &naru.MethodInfo{FullMethod: gatePath}

// A gate is a service whose one method waits until it is opened, or until its context ends.
type gate struct {
	entered  chan struct{} // a token per handler that has begun; room for all of them
	open     chan struct{} // closed by the test
	canceled atomic.Int32  // handlers whose context ended first
	draining atomic.Int32  // handlers that were told of the drain before they were let through
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}, inFlight), open: make(chan struct{})}
}

func (g *gate) pass(ctx context.Context, in *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	draining := naru.Draining(ctx)
	g.entered <- struct{}{}
	for {
		select {
		case <-draining:
			g.draining.Add(1)
			draining = nil // closed for good: do not spin on it
		case <-g.open:
			return in, nil
		case <-ctx.Done():
			g.canceled.Add(1)
			return nil, status.FromContextError(ctx.Err()).Err()
		}
	}
}

// serveGate starts a naru server with a gate and returns its address.
func serveGate(t *testing.T) (*gate, *naru.Server, string) {
	t.Helper()
	g := newGate()
	srv := newNaruServer(t, nil)
	srv.RegisterService(&naru.ServiceDesc{
		Name:    "peers.Gate",
		Methods: []naru.MethodDesc{stub.UnaryHandler(gateMethod, g.pass)},
	})
	lis := listen(t)
	serveNaru(t, srv, lis)
	return g, srv, lis.Addr().String()
}

func (g *gate) awaitEntered(t *testing.T, n int) {
	t.Helper()
	timeout := time.After(wireTimeout)
	for i := range n {
		select {
		case <-g.entered:
		case <-timeout:
			t.Fatalf("%d of %d handlers began within %v", i, n, wireTimeout)
		}
	}
}

// await polls for what happens in handlers, of which nothing else tells.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(wireTimeout)
	for !ok() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("%s: not within %v", what, wireTimeout)
		}
	}
}

// dialGate plays a client that has inFlight calls waiting at the gate.
func dialGate(t *testing.T, g *gate, addr string) *wire {
	t.Helper()
	w := dialWire(t, addr)
	for i := range uint32(inFlight) {
		w.request(2*i+1, gatePath, wrapperspb.String("x"))
	}
	g.awaitEntered(t, inFlight)
	return w
}

func TestInFlightCallerResets(t *testing.T) {
	g, _, addr := serveGate(t)
	w := dialGate(t, g, addr)
	for i := range uint32(inFlight) {
		w.do(w.fr.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
	}
	await(t, "every handler's context ends", func() bool { return g.canceled.Load() == inFlight })
	close(g.open)
	// The connection is as good as before.
	w.request(2*inFlight+1, gatePath, wrapperspb.String("after"))
	w.awaitEnded(1)
	w.wantReply(2*inFlight+1, "0")
}

func TestInFlightCallerCloses(t *testing.T) {
	g, _, addr := serveGate(t)
	w := dialGate(t, g, addr)
	w.conn.Close()
	await(t, "every handler's context ends", func() bool { return g.canceled.Load() == inFlight })
}

// A client's GOAWAY says that it will not accept pushes: its own calls go on (RFC 9113 §6.8).
func TestInFlightCallerSendsGoAway(t *testing.T) {
	g, _, addr := serveGate(t)
	w := dialGate(t, g, addr)
	w.do(w.fr.WriteGoAway(0, http2.ErrCodeNo, nil))
	close(g.open)
	for _, id := range w.awaitEnded(inFlight) {
		w.wantReply(id, "0")
	}
	if n := g.canceled.Load(); n != 0 {
		t.Errorf("%d handlers were cancelled by a GOAWAY, want none", n)
	}
}

// Shutdown lets what has begun end, and says GOAWAY first.
func TestInFlightServerShutsDown(t *testing.T) {
	g, srv, addr := serveGate(t)
	w := dialGate(t, g, addr)
	down := make(chan error, 1)
	go func() { down <- srv.Shutdown(within(t, wireTimeout)) }()
	for len(w.goAways) == 0 {
		w.do(w.step())
	}
	if got := w.goAways[0]; got.ErrCode != http2.ErrCodeNo || got.LastStreamID < 2*inFlight-1 {
		t.Errorf("GOAWAY %v with last stream %d, want NO_ERROR and every stream of the %d", got.ErrCode, got.LastStreamID, inFlight)
	}
	await(t, "every handler hears of the drain", func() bool { return g.draining.Load() == inFlight })
	close(g.open)
	for _, id := range w.awaitEnded(inFlight) {
		w.wantReply(id, "0")
	}
	w.awaitClose()
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v, want nil: everything had ended", err)
	}
}

// Shutdown whose time is up cuts off what is left.
func TestInFlightServerShutsDownInVain(t *testing.T) {
	g, srv, addr := serveGate(t)
	w := dialGate(t, g, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := srv.Shutdown(ctx); err == nil {
		t.Error("Shutdown returned nil with handlers that had not ended")
	}
	w.awaitClose()
	await(t, "every handler's context ends", func() bool { return g.canceled.Load() == inFlight })
}

// wantReply wants a stream to have ended with a gRPC status.
func (w *wire) wantReply(id uint32, grpcStatus string) {
	w.t.Helper()
	s := w.open[id]
	if s == nil {
		w.t.Fatalf("nothing was received on stream %d", id)
	}
	trailer := s.trailer
	if trailer == nil {
		trailer = s.header
	}
	if got := trailer["grpc-status"]; got != grpcStatus {
		w.t.Errorf("stream %d ended with grpc-status %q (%v), want %s", id, got, trailer, grpcStatus)
	}
}

// passWith makes inFlight calls at the gate with grpc-go's client.
func passWith(ctx context.Context, cc *grpc.ClientConn) <-chan error {
	results := make(chan error, inFlight)
	for range inFlight {
		go func() {
			results <- cc.Invoke(ctx, gatePath, wrapperspb.String("x"), new(wrapperspb.StringValue))
		}()
	}
	return results
}

// wantGRPCGo collects inFlight results of grpc-go's client and wants them all to have one code.
func wantGRPCGo(t *testing.T, results <-chan error, want grpccodes.Code) {
	t.Helper()
	timeout := time.After(wireTimeout)
	for i := range inFlight {
		select {
		case err := <-results:
			if got := grpcstatus.Code(err); got != want {
				t.Errorf("call ended with %v, want %v", err, want)
			}
		case <-timeout:
			t.Fatalf("%d of %d calls ended within %v", i, inFlight, wireTimeout)
		}
	}
}

func TestInFlightGRPCGoClientServerCloses(t *testing.T) {
	g, srv, addr := serveGate(t)
	results := passWith(within(t, wireTimeout), dialGRPCGo(t, addr, nil))
	g.awaitEntered(t, inFlight)
	srv.Close()
	wantGRPCGo(t, results, grpccodes.Unavailable)
}

func TestInFlightGRPCGoClientServerShutsDown(t *testing.T) {
	g, srv, addr := serveGate(t)
	results := passWith(within(t, wireTimeout), dialGRPCGo(t, addr, nil))
	g.awaitEntered(t, inFlight)
	down := make(chan error, 1)
	go func() { down <- srv.Shutdown(within(t, wireTimeout)) }()
	await(t, "every handler hears of the drain", func() bool { return g.draining.Load() == inFlight })
	close(g.open)
	wantGRPCGo(t, results, grpccodes.OK)
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// grpcGoGate is the gate on grpc-go's server.
func grpcGoGate(g *gate) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "peers.Gate",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "pass",
			Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(wrapperspb.StringValue)
				if err := dec(in); err != nil {
					return nil, err
				}
				g.entered <- struct{}{}
				select {
				case <-g.open:
					return in, nil
				case <-ctx.Done():
					g.canceled.Add(1)
					return nil, grpcstatus.FromContextError(ctx.Err()).Err()
				}
			},
		}},
	}
}

// naruAtGRPCGoGate starts a grpc-go server and inFlight calls of naru's client waiting there.
func naruAtGRPCGoGate(t *testing.T) (*gate, *grpc.Server, <-chan error) {
	t.Helper()
	g, lis := newGate(), listen(t)
	srv := newGRPCGoServer(nil)
	srv.RegisterService(grpcGoGate(g), nil)
	serveGRPCGo(t, srv, lis)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := make(chan error, inFlight)
	ctx := within(t, wireTimeout)
	for range inFlight {
		go func() {
			results <- cc.Invoke(ctx, gateMethod, wrapperspb.String("x"), new(wrapperspb.StringValue))
		}()
	}
	g.awaitEntered(t, inFlight)
	return g, srv, results
}

func TestInFlightGRPCGoServerStops(t *testing.T) {
	_, srv, results := naruAtGRPCGoGate(t)
	srv.Stop()
	wantCodes(t, results, all(codes.Unavailable))
}

func TestInFlightGRPCGoServerStopsGracefully(t *testing.T) {
	g, srv, results := naruAtGRPCGoGate(t)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		srv.GracefulStop()
	}()
	close(g.open)
	wantCodes(t, results, all(codes.OK))
	<-stopped
}
