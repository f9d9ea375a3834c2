package naru_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
)

// TestCallsThatWaitForEachOther: handlers of a method whose answers are not known yet, and of one
// that gives large ones, are held back only for a moment. All of 200 have to run at a time, or none
// ends.
func TestCallsThatWaitForEachOther(t *testing.T) {
	const calls = 200
	for _, first := range []string{"", "a large answer"} {
		t.Run("after "+first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var all sync.WaitGroup
				large := strings.Repeat("x", 2<<20)
				p := start(t, "inproc", &echo{unary: func(_ context.Context, m *text) (*text, error) {
					if m.GetValue() == "large" {
						return str(large), nil
					}
					all.Done()
					all.Wait()
					return m, nil
				}})
				if first != "" {
					if m, err := p.unary(t.Context(), "large"); err != nil || len(m) != len(large) {
						t.Fatalf("%d bytes, %v", len(m), err)
					}
				}
				all.Add(calls)
				errs := make(chan error, calls) // one for each call
				for range calls {
					go func() {
						_, err := p.unary(t.Context(), "wait for the others")
						errs <- err
					}()
				}
				for range calls {
					if err := <-errs; err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// TestManyUploads: four connections that begin a message on each of 256 streams share memory for a
// part of them. Peers that go on are neither refused nor cut. Time is virtual: on a busy machine
// the clients of a real network send less than the 64 KiB/s that a connection full of messages has
// to, and the slowest calls end.
func TestManyUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const conns, calls = 4, 4 * 256
		cl := newCluster(t, "a:1").up()
		cl.bs[0].does(func(context.Context, string) error { return nil })
		c := cl.dial("passthrough:///a:1", naru.WithConnectionScaling(conns))
		upload := strings.Repeat("x", 200_000)
		var running sync.WaitGroup
		for range calls {
			running.Go(func() {
				if _, err := (&pair{Client: c}).unary(t.Context(), upload); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		for reason, n := range cl.bs[0].srv.Stats().Ended {
			t.Errorf("%s: %d", reason, n)
		}
		cl.end(c)
	})
}

// slowLink is a connection that sends rate bytes a second.
type slowLink struct {
	net.Conn
	rate int
}

func (l slowLink) Write(p []byte) (int, error) {
	<-time.After(time.Duration(len(p)) * time.Second / time.Duration(l.rate))
	return l.Conn.Write(p)
}

// TestUploadsOverASlowNetwork: all streams of a connection send at once, and its network, or a busy
// machine, carries so little that each of them is slow. They share it fairly, and none is ended for
// the others, which would come no faster.
func TestUploadsOverASlowNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls, size, rate = 256, 200_000, 4_000_000
		cl := newCluster(t, "a:1").up()
		cl.bs[0].does(func(context.Context, string) error { return nil })
		c := cl.dial("passthrough:///a:1", naru.WithConnectionScaling(1), naru.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := cl.net.Dial(ctx, network, addr)
			return slowLink{nc, rate}, err
		}))
		upload := strings.Repeat("x", size)
		began := time.Now()
		var running sync.WaitGroup
		for range calls {
			running.Go(func() {
				if _, err := (&pair{Client: c}).unary(t.Context(), upload); err != nil {
					t.Error(err)
				}
			})
		}
		running.Wait()
		for reason, n := range cl.bs[0].srv.Stats().Ended {
			t.Errorf("%s: %d", reason, n)
		}
		if d, least := time.Since(began), calls*size*time.Second/rate; d > least*3/2 {
			t.Errorf("the uploads took %v, and the network needs %v", d, least)
		}
		cl.end(c)
	})
}
