package slow

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

var beside = flag.Duration("beside", 700*time.Millisecond, "how long an honest client calls beside the slow ones")

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// A row is slow neighbors of an honest client.
type row struct {
	name string
	n    int
	// neighbor runs one of them until ctx ends; addr is the server's, shared a connection that all may use.
	neighbor func(ctx context.Context, addr string, shared benchpbnaru.EchoClient)
	// own has the honest client share the neighbors' connection.
	own  bool
	call *benchpb.Message
}

var (
	upload   = &benchpb.Message{Message: "drop", Payload: make([]byte, 200_000)}
	download = &benchpb.Message{Message: "large", Id: 200_000}
)

var rows = []row{
	{name: "no neighbor", call: upload},
	{name: "8 slow uploads", n: 8, neighbor: slowUpload, call: upload},
	{name: "20 slow uploads", n: 20, neighbor: slowUpload, call: upload},
	{name: "200 slow uploads", n: 200, neighbor: slowUpload, call: upload},
	{name: "30 slow handlers of one client", n: 30, neighbor: slowHandler, call: upload},
	{name: "no neighbor, download", call: download},
	{name: "20 slow downloads", n: 20, neighbor: slowDownload, call: download},
	{name: "50 slow uploads on a proxy's connection", n: 50, neighbor: dripping, own: true, call: upload},
	{name: "256 uploads of 4 MB on one connection", n: 256, neighbor: largeUpload, call: upload},
}

func TestBesideSlow(t *testing.T) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for _, s := range []struct {
				stack string
				start func(*testing.T) string
			}{{"naru", startNaru}, {"grpc-go", startGRPC}} {
				got := measure(t, &r, s.start(t))
				t.Logf("%-8s %5d calls in %v, p50 %v p99 %v, %d failed", s.stack, len(got.took), *beside, got.quantile(0.5), got.quantile(0.99), len(got.errs))
				if s.stack == "naru" && (len(got.errs) > 0 || len(got.took) == 0) {
					t.Errorf("%d honest calls succeeded, %d failed: %v", len(got.took), len(got.errs), got.errs)
				}
			}
		})
	}
}

type result struct {
	took []time.Duration
	errs []error
}

func (r *result) quantile(q float64) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	slices.Sort(r.took)
	return r.took[int(q*float64(len(r.took)-1))].Round(10 * time.Microsecond)
}

func measure(t *testing.T, r *row, addr string) *result {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	shared := dial(t, addr, naru.WithConnectionScaling(1))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range r.n {
		wg.Go(func() { r.neighbor(ctx, addr, shared) })
	}
	if r.n > 0 {
		<-time.After(*beside / 2) // until they are at it
	}
	honest := shared
	if !r.own {
		honest = dial(t, addr)
	}
	var got result
	for end := time.Now().Add(*beside); time.Now().Before(end); {
		callCtx, stop := context.WithTimeout(ctx, 10*time.Second)
		start := time.Now()
		_, err := honest.Unary(callCtx, r.call)
		stop()
		if err != nil {
			got.errs = append(got.errs, err)
			continue
		}
		got.took = append(got.took, time.Since(start))
		runtime.Gosched()
	}
	return &got
}

func dial(t *testing.T, addr string, opts ...naru.ClientOption) benchpbnaru.EchoClient {
	t.Helper()
	c, err := naru.NewClient(addr, append(opts, naru.WithPlaintext(), quiet)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return benchpbnaru.NewEchoClient(c)
}

var quiet = naru.WithLogger(slog.New(slog.DiscardHandler))

// rate is that of a bad network, in bytes a second.
const rate = 20_000

// slowConn reads and writes at rate.
type slowConn struct{ net.Conn }

func pause() { <-time.After(50 * time.Millisecond) }

func (s slowConn) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		pause()
		var m int
		m, err = s.Conn.Write(p[:min(len(p), rate/20)])
		n += m
		p = p[m:]
	}
	return n, err
}

type slowReader struct{ net.Conn }

func (s slowReader) Read(p []byte) (int, error) {
	pause()
	return s.Conn.Read(p[:min(len(p), rate/20)])
}

func over(wrap func(net.Conn) net.Conn) naru.ClientOption {
	return naru.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		_ = nc.(*net.TCPConn).SetReadBuffer(8 << 10) // a hint
		return wrap(nc), nil
	})
}

// one makes a call of its own client over a wrapped connection.
func one(ctx context.Context, addr string, wrap func(net.Conn) net.Conn, m *benchpb.Message) {
	c, err := naru.NewClient(addr, naru.WithPlaintext(), quiet, over(wrap))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, _ = benchpbnaru.NewEchoClient(c).Unary(ctx, m) // ends with ctx
}

func slowUpload(ctx context.Context, addr string, _ benchpbnaru.EchoClient) {
	one(ctx, addr, func(nc net.Conn) net.Conn { return slowConn{nc} }, &benchpb.Message{Message: "drop", Payload: make([]byte, 3_000_000)})
}

func slowDownload(ctx context.Context, addr string, _ benchpbnaru.EchoClient) {
	one(ctx, addr, func(nc net.Conn) net.Conn { return slowReader{nc} }, &benchpb.Message{Message: "large", Id: 3_000_000})
}

// slowHandler sends what a handler takes one of a second.
func slowHandler(ctx context.Context, _ string, shared benchpbnaru.EchoClient) {
	s, err := shared.Bidi(ctx)
	for err == nil {
		err = s.Send(&benchpb.Message{Message: "wait", Payload: make([]byte, 1_000_000)})
	}
}

// dripping sends a message in parts over a connection that others share, as a proxy does for a client on a bad network:
// a bidirectional stream whose messages each come slowly, seen from the server.
func dripping(ctx context.Context, _ string, shared benchpbnaru.EchoClient) {
	s, err := shared.Bidi(ctx)
	for err == nil {
		pause()
		err = s.Send(&benchpb.Message{Message: "wait", Payload: make([]byte, rate/20)})
	}
}

func largeUpload(ctx context.Context, _ string, shared benchpbnaru.EchoClient) {
	m := &benchpb.Message{Message: "drop", Payload: make([]byte, 4_000_000)}
	for ctx.Err() == nil {
		_, _ = shared.Unary(ctx, m)
	}
}

// answer is what both servers' unary handlers do.
func answer(m *benchpb.Message) *benchpb.Message {
	if m.GetMessage() == "large" {
		return &benchpb.Message{Payload: make([]byte, m.GetId())}
	}
	return &benchpb.Message{}
}

// wait is their handler of streams: it takes a message a second.
func wait(ctx context.Context, recv func() (*benchpb.Message, error)) error {
	for {
		if _, err := recv(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type naruEcho struct {
	benchpbnaru.UnimplementedEchoServer
}

func (naruEcho) Unary(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return answer(m), nil
}

func (naruEcho) Bidi(s naru.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	return wait(s.Context(), s.Recv)
}

func startNaru(t *testing.T) string {
	srv, err := naru.NewServer(quiet)
	if err != nil {
		t.Fatal(err)
	}
	benchpbnaru.RegisterEchoServer(srv, naruEcho{})
	return serve(t, srv.Serve, func() { _ = srv.Close() })
}

type grpcEcho struct {
	benchpb.UnimplementedEchoServer
}

func (grpcEcho) Unary(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return answer(m), nil
}

func (grpcEcho) Bidi(s grpc.BidiStreamingServer[benchpb.Message, benchpb.Message]) error {
	return wait(s.Context(), s.Recv)
}

func startGRPC(t *testing.T) string {
	srv := grpc.NewServer()
	benchpb.RegisterEchoServer(srv, grpcEcho{})
	return serve(t, srv.Serve, srv.Stop)
}

func serve(t *testing.T, run func(net.Listener) error, stop func()) string {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1) // capacity 1: read at the end
	go func() { served <- run(lis) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(fmt.Errorf("serve: %w", err))
		}
	})
	return lis.Addr().String()
}
