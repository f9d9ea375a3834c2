package faults

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

// waiting runs until its context ends.
type waiting struct {
	benchpbnaru.UnimplementedEchoServer
	begun, ended chan time.Time // capacity 1: one call
}

func (w waiting) Unary(ctx context.Context, _ *benchpb.Message) (*benchpb.Message, error) {
	w.begun <- time.Now()
	<-ctx.Done()
	w.ended <- time.Now()
	return nil, ctx.Err()
}

// clientless serves a call of a client that test then takes away, and waits for the handler to
// learn of it.
func clientless(t *testing.T, takeAway func(nc *memnet.Conn), within time.Duration, reason string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv, err := naru.NewServer(naru.WithLogger(slog.New(slog.DiscardHandler)), naru.WithKeepalive(naru.Keepalive{Interval: 10 * time.Second, Timeout: 5 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		w := waiting{begun: make(chan time.Time, 1), ended: make(chan time.Time, 1)}
		benchpbnaru.RegisterEchoServer(srv, w)
		network := &memnet.Network{}
		lis, err := network.Listen("server")
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1) // capacity 1: read at the end
		go func() { served <- srv.Serve(lis) }()
		nc, err := network.Dial(t.Context(), "server")
		if err != nil {
			t.Fatal(err)
		}
		c := &caller{nc: nc, enc: hpack.NewEncoder(4096)}
		out := frame.AppendSettings(append([]byte(nil), h2.Preface...), false)
		out = frame.AppendSettings(out, true)
		out = frame.AppendData(c.head(out, 1, false), 1, true, make([]byte, 5))
		if _, err := nc.Write(out); err != nil {
			t.Fatal(err)
		}
		begun := <-w.begun
		synctest.Wait() // the server has written what it had to, so that it is a read that ends
		takeAway(nc)
		if took := (<-w.ended).Sub(begun); took > within {
			t.Errorf("the handler learnt after %v that nobody waits, want at most %v", took, within)
		}
		synctest.Wait()
		if srv.OpenCalls() != 0 || srv.Stats().Connections != 0 || srv.Stats().Ended[reason] != 1 {
			t.Errorf("%d calls, %+v: want nothing open, and the reason %s", srv.OpenCalls(), srv.Stats(), reason)
		}
		_ = nc.Close()
		_ = srv.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestHalfOpenClient: the client's machine is gone. With keepalive the server finds out and the
// handler's context ends.
func TestHalfOpenClient(t *testing.T) {
	clientless(t, func(nc *memnet.Conn) {
		go func() { _, _ = io.Copy(io.Discard, nc) }() // pings arrive, and nobody answers
	}, 30*time.Second, "keepalive_timeout")
}

// TestHalfClosedClient: a client that says it will send nothing more has no way to go on with
// HTTP/2: its calls end.
func TestHalfClosedClient(t *testing.T) {
	clientless(t, func(nc *memnet.Conn) { _ = nc.CloseWrite() }, 0, "eof")
}

// TestCrashedClient: a connection that is reset ends its calls.
func TestCrashedClient(t *testing.T) {
	clientless(t, func(nc *memnet.Conn) { nc.Abort() }, 0, "read")
}

// TestHalfClosedServer: a server that says it will send nothing more, and reads on, ends the calls
// at once; the next one finds another connection.
func TestHalfClosedServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := &memnet.Network{}
		lis, err := network.Listen("server")
		if err != nil {
			t.Fatal(err)
		}
		first := make(chan *scripted, 1) // capacity 1: the first connection
		served := newScripts(1, func(s *scripted) { first <- s })
		go served.serve(lis)
		c, err := naru.NewClient("passthrough:///server", naru.WithPlaintext(), naru.WithLogger(slog.New(slog.DiscardHandler)),
			naru.WithDialer(network.DialContext))
		if err != nil {
			t.Fatal(err)
		}
		echo := benchpbnaru.NewEchoClient(c)
		ended := make(chan error, 1) // capacity 1: one result
		go func() { ended <- unary(echo, 1) }()
		s := <-first
		synctest.Wait() // the request is there
		begun := time.Now()
		_ = s.nc.(*memnet.Conn).CloseWrite()
		if err := <-ended; status.Code(err) != codes.Unavailable || time.Since(begun) > 0 {
			t.Errorf("the call ended with %v after %v, want UNAVAILABLE at once", err, time.Since(begun))
		}
		if err := unary(echo, 2); err != nil {
			t.Errorf("the next call: %v", err)
		}
		if n := served.count(1); n != 1 {
			t.Errorf("the call that was cut off was sent %d times, want 1", n)
		}
		if n := c.Stats().Reasons["eof"]; n != 1 {
			t.Errorf("reasons %v: want the end of the connection counted", c.Stats().Reasons)
		}
		_ = c.Close()
		_ = lis.Close()
		served.wg.Wait()
	})
}
