package memnet

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

// TestBytesArriveInOrder pushes random pieces through buffers of sizes that make the ring
// wrap and grow at every offset.
func TestBytesArriveInOrder(t *testing.T) {
	for _, buffer := range []int{1, 2, 3, 7, 64, 1000} {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(buffer)))
			want := make([]byte, 10_000)
			for i := range want {
				want[i] = byte(rng.Uint32())
			}
			a, b := Pipe(buffer)
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+rng.IntN(3*buffer))
					if _, err := a.Write(rest[:n]); err != nil {
						t.Errorf("write: %v", err)
						return
					}
					rest = rest[n:]
				}
				_ = a.CloseWrite()
			}()
			got, err := io.ReadAll(iotestReader{b, 1 + buffer/2})
			if err != nil {
				t.Fatalf("read: %v", err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("buffer %d: bytes arrived changed (%d of %d)", buffer, len(got), len(want))
			}
			_, _ = a.Close(), b.Close()
		})
	}
}

// iotestReader reads at most n bytes at a time.
type iotestReader struct {
	r io.Reader
	n int
}

func (r iotestReader) Read(p []byte) (int, error) { return r.r.Read(p[:min(len(p), r.n)]) }

func TestWriterWaitsForReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(4)
		var done bool
		go func() {
			_, _ = a.Write([]byte("123456"))
			done = true
		}()
		synctest.Wait()
		if done {
			t.Fatal("a write of 6 bytes returned with a buffer of 4 and no reader")
		}
		if got := a.Unread(); got != 4 {
			t.Fatalf("unread = %d, want 4: the buffer full", got)
		}
		buf := make([]byte, 4)
		n, err := io.ReadAtLeast(b, buf, 2)
		synctest.Wait()
		if err != nil || n < 2 || !done {
			t.Fatalf("read = %d, %v and writer done = %v; want room made to end the write", n, err, done)
		}
		_, _ = a.Close(), b.Close()
	})
}

func TestHalfClose(t *testing.T) {
	a, b := Pipe(0)
	mustWrite(t, a, "request")
	_ = a.CloseWrite()
	if got, err := io.ReadAll(b); err != nil || string(got) != "request" {
		t.Fatalf("read = %q, %v; want what was written, then the end", got, err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("write after CloseWrite = %v, want net.ErrClosed", err)
	}
	mustWrite(t, b, "answer")
	_ = b.Close()
	if got, err := io.ReadAll(a); err != nil || string(got) != "answer" {
		t.Fatalf("read = %q, %v; the other direction goes on", got, err)
	}
	_ = a.Close()
}

func TestCloseIsSeenByBothEnds(t *testing.T) {
	a, b := Pipe(0)
	mustWrite(t, a, "last words")
	if err := a.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if err := a.Close(); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("second close = %v, want net.ErrClosed", err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("read at the closed end = %v, want net.ErrClosed", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Fatalf("write to a closed end = %v, want EPIPE", err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "last words" {
		t.Fatalf("read = %q, %v; want what was sent before the close", got, err)
	}
	_ = b.Close()
}

func TestAbortLosesWhatIsInFlight(t *testing.T) {
	a, b := Pipe(0)
	mustWrite(t, a, "lost")
	mustWrite(t, b, "lost too")
	a.Abort()
	if n, err := b.Read(make([]byte, 9)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("read = %d, %v; want ECONNRESET and nothing of what was in flight", n, err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("write = %v, want ECONNRESET", err)
	}
	if _, err := a.Read(make([]byte, 9)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("read at the aborting end = %v, want net.ErrClosed", err)
	}
	_ = b.Close()
}

func TestCloseWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(1)
		var readErr, writeErr error
		var wg sync.WaitGroup
		wg.Go(func() { _, readErr = a.Read(make([]byte, 1)) })
		wg.Go(func() { _, writeErr = a.Write([]byte("ab")) })
		synctest.Wait()
		_ = a.Close()
		wg.Wait()
		if !errors.Is(readErr, net.ErrClosed) || !errors.Is(writeErr, net.ErrClosed) {
			t.Fatalf("read %v, write %v; want both ended by the close", readErr, writeErr)
		}
		_ = b.Close()
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(1)
		defer b.Close()
		defer a.Close()
		start := time.Now()
		_ = a.SetReadDeadline(start.Add(3 * time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read = %v, want the deadline", err)
		}
		if got := time.Since(start); got != 3*time.Second {
			t.Fatalf("read ended after %v, want 3s", got)
		}
		var nerr net.Error
		_, err := a.Read(make([]byte, 1))
		if !errors.As(err, &nerr) || !nerr.Timeout() {
			t.Fatalf("read = %v, want a net.Error with Timeout: the deadline stays passed", err)
		}

		_ = a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write([]byte("ab"))
		if n != 1 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("write = %d, %v; want 1 byte in the buffer and the deadline", n, err)
		}

		// A later deadline, and none, take the place of one that has passed or is pending.
		_ = a.SetDeadline(time.Now().Add(time.Second))
		_ = a.SetDeadline(time.Time{})
		go func() {
			<-time.After(time.Minute)
			_, _ = b.Write([]byte("x"))
		}()
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Fatalf("read = %v after the deadline was taken off", err)
		}
		_ = a.SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read = %v, want a deadline in the past to hold at once", err)
		}
	})
}

func TestDeadlineWakesReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(0)
		errc := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			errc <- err
		}()
		synctest.Wait()
		_ = a.SetReadDeadline(time.Unix(1, 0)) // as net/http and ours do to interrupt a read
		if err := <-errc; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("read = %v, want to be woken by the deadline", err)
		}
		_, _ = a.Close(), b.Close()
	})
}

func TestNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		if _, err := n.Dial(t.Context(), "shop"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dial without listener = %v, want ECONNREFUSED", err)
		}
		l, err := n.Listen("shop")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("shop"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("second listen = %v, want EADDRINUSE", err)
		}
		client, err := n.DialContext(t.Context(), "tcp", "shop")
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if client.RemoteAddr().String() != "shop" || server.LocalAddr().Network() != "mem" ||
			server.RemoteAddr().String() != client.LocalAddr().String() {
			t.Errorf("addresses: client %v -> %v, server %v -> %v", client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr())
		}
		waiting, err := n.Dial(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if _, err := waiting.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("connection nobody accepted: read = %v, want ECONNRESET", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept = %v, want net.ErrClosed", err)
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close = %v, want net.ErrClosed", err)
		}
		if again, err := n.Listen("shop"); err != nil {
			t.Errorf("listen after close = %v, want the name free again", err)
		} else {
			_ = again.Close()
		}
		mustWrite(t, client, "an accepted connection outlives its listener")
		_, _ = client.Close(), server.Close()
	})
}

func TestDialWaitsWhileTheQueueIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, _ := n.Listen("")
		name := l.Addr().String()
		for range backlog {
			if _, err := n.Dial(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("dial with a full queue = %v, want the context's error", err)
		}
		errc := make(chan error, 1)
		go func() {
			_, err := n.Dial(t.Context(), name)
			errc <- err
		}()
		synctest.Wait()
		_ = l.Close()
		if err := <-errc; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dial while the listener closes = %v, want ECONNREFUSED", err)
		}
	})
}

func mustWrite(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatalf("write %q: %v", s, err)
	}
}
