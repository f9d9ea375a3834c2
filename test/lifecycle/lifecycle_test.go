//go:build unix

package lifecycle

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
)

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// TestTermEndsStreamsThatListen: streams told to drain end themselves, and nothing waits for the
// deadline.
func TestTermEndsStreamsThatListen(t *testing.T) {
	p := start(t, 0, "-drain", "20s")
	stream := open(t, benchpbnaru.NewEchoClient(dial(t, p)), "hello")
	begun := time.Now()
	p.signal(t, syscall.SIGTERM)
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("Recv: %v, want the stream to end with OK", err)
	}
	last, code := p.wait(t)
	if code != 0 || time.Since(begun) > 10*time.Second {
		t.Errorf("ended with %d and %q after %v, want a drain without waiting", code, last, time.Since(begun))
	}
}

// TestTermStopsAtTheDeadline: who does not end is cut off when the time is up, not before and not
// long after.
func TestTermStopsAtTheDeadline(t *testing.T) {
	const drain = time.Second
	p := start(t, 0, "-drain", drain.String())
	stream := open(t, benchpbnaru.NewEchoClient(dial(t, p)), "stubborn")
	begun := time.Now()
	p.signal(t, syscall.SIGTERM)
	_, err := stream.Recv()
	if took := time.Since(begun); took < drain-50*time.Millisecond {
		t.Errorf("the stream was cut off after %v, want the whole %v: %v", took, drain, err)
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("Recv: %v, want UNAVAILABLE", err)
	}
	last, code := p.wait(t)
	if took := time.Since(begun); code != 1 || took > drain+2*time.Second {
		t.Errorf("ended with %d and %q after %v, want an error at %v", code, last, took, drain)
	}
	if !strings.Contains(last, "not all calls ended") {
		t.Errorf("the end says %q, want it to say that calls were cut off", last)
	}
}

// TestKillInTheMiddle: SIGKILL ends streams and calls at once, and a server on the same port is
// found again.
func TestKillInTheMiddle(t *testing.T) {
	p := start(t, 0)
	echo := benchpbnaru.NewEchoClient(dial(t, p))
	stream := open(t, echo, "hello")
	ctx := within(t, 20*time.Second)
	pending := make(chan error, 1) // capacity 1: one result
	go func() {
		_, err := echo.Unary(ctx, &benchpb.Message{Id: 30_000_000})
		pending <- err
	}()
	if err := stream.Send(&benchpb.Message{}); err != nil { // behind it, the unary call is on its way as well
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGKILL)
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream: %v, want UNAVAILABLE", err)
	}
	if _, code := p.wait(t); code == 0 {
		t.Error("the process ended well, want it killed")
	}
	again := start(t, 0, "-addr", p.addr)
	if _, err := echo.Unary(ctx, &benchpb.Message{}, naru.WaitForReady(true)); err != nil {
		t.Errorf("a call to the server that came back: %v", err)
	}
	_ = again
	select {
	case err := <-pending:
		if status.Code(err) != codes.Unavailable {
			t.Errorf("the call that was in flight: %v, want UNAVAILABLE", err)
		}
	case <-ctx.Done():
		t.Error("the call that was in flight never ended")
	}
}

// TestOutOfDescriptors: with 64 descriptors and 100 connections the server goes on, and is back
// when there are some again.
func TestOutOfDescriptors(t *testing.T) {
	p := start(t, 64)
	var conns []net.Conn
	defer func() {
		for _, nc := range conns {
			_ = nc.Close()
		}
	}()
	for range 100 {
		nc, err := net.DialTimeout("tcp", p.addr, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
	}
	// The server has met its limit when a connection within the backlog is not greeted.
	silent := conns[len(conns)-1]
	_ = silent.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := io.WriteString(silent, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	var ne net.Error
	if _, err := silent.Read(make([]byte, 9)); !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("the hundredth connection was served (%v): the limit was not met", err)
	}
	for _, nc := range conns[:60] {
		_ = nc.Close()
	}
	begun := time.Now()
	if _, err := benchpbnaru.NewEchoClient(dial(t, p)).Unary(within(t, 10*time.Second), &benchpb.Message{}); err != nil {
		t.Fatalf("a new call after 60 connections were closed: %v", err)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("a new call took %v after 60 connections were closed, want less than a second", took)
	}
}

// open starts a stream whose first message came back.
func open(t *testing.T, echo benchpbnaru.EchoClient, first string) naru.BidiStreamingClient[benchpb.Message, benchpb.Message] {
	t.Helper()
	stream, err := echo.Bidi(within(t, 30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&benchpb.Message{Message: first}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	return stream
}
