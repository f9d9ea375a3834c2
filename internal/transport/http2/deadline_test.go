//go:build unix

package http2_test

import (
	"crypto/tls"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/naru-rpc/naru/internal/transport/http2"
)

// handedOver counts the read loops that took over from another one.
func handedOver() int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), "http2.(*conn).handOver in goroutine")
}

// An idle connection gets fresh goroutines on both sides, and still works.
func TestRest(t *testing.T) {
	for name, cert := range map[string]*tls.Certificate{"plaintext": nil, "TLS": selfSigned(t)} {
		t.Run(name, func(t *testing.T) {
			c, srv := overTCP(t, http2.Limits{Rest: time.Millisecond}, cert)
			for range 3 {
				s := call(t, c, strings.Repeat("x", 100_000))
				s.wantEnd(t, "a call", "", false)
				if len(s.body) != 100_000 {
					t.Errorf("%d bytes came back", len(s.body))
				}
				for handedOver() < 2 {
					runtime.Gosched()
				}
			}
			c.Close(nil)
			<-c.Done()
			<-srv.Done()
		})
	}
}

// Idle read loops have smaller stacks than those that worked on a call a moment ago.
func TestRestGivesStacksBack(t *testing.T) {
	const conns = 100
	stacks := func(rest time.Duration) uint64 {
		var open []*http2.ClientConn
		var served []*http2.ServerConn
		for range conns {
			c, srv := overTCP(t, http2.Limits{Rest: rest}, nil)
			s := call(t, c, "x")
			s.wantEnd(t, "a call", "", false)
			open, served = append(open, c), append(served, srv)
		}
		for rest > 0 && handedOver() < 2*conns {
			runtime.Gosched()
		}
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		for i := range open {
			open[i].Close(nil)
			<-open[i].Done()
			<-served[i].Done()
		}
		return m.StackInuse
	}
	// The collector halves the stacks of both, by chance more or less often: about 0.6 is usual,
	// 0.76 was seen.
	none := stacks(-1)
	if rested := stacks(time.Millisecond); rested > none*9/10 {
		t.Errorf("%d bytes of stacks with %d connections that rest, %d where none does", rested, conns, none)
	}
}

// Whatever comes, and whoever ends the connection, in the moment of the hand-over: nothing is lost.
func TestRestAtAnyMoment(t *testing.T) {
	for name, cert := range map[string]*tls.Certificate{"plaintext": nil, "TLS": selfSigned(t)} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				c, srv := overTCP(t, http2.Limits{Rest: time.Microsecond}, cert)
				var calls sync.WaitGroup
				for i := range 4 {
					calls.Go(func() {
						for j := range 20 {
							n := []int{0, 100, 40_000}[(i+j)%3]
							s := call(t, c, strings.Repeat("x", n))
							if s.wantEnd(t, "a call", "", false); len(s.body) != n {
								t.Errorf("%d of %d bytes came back", len(s.body), n)
							}
						}
					})
				}
				calls.Wait()
				srv.Close(nil)
				<-c.Done()
				<-srv.Done()
			}
		})
	}
}

func TestNoRest(t *testing.T) {
	before := handedOver()
	c, srv := overTCP(t, http2.Limits{Rest: -1}, nil)
	s := call(t, c, "x")
	s.wantEnd(t, "a call", "", false)
	if n := handedOver(); n > before { // those of earlier tests may end meanwhile
		t.Errorf("%d read loops were handed over though that is off", n-before)
	}
	c.Close(nil)
	<-c.Done()
	<-srv.Done()
}
