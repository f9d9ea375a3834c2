package guards

import (
	"net"
	"runtime"
	"testing"
)

// TestMemoryOfIdleConnections holds connections that made one call each, from a client that keeps
// nothing but its socket, and weighs what the process grew by: before they have rested for long
// enough to give back the stacks of their read loops, 2 KiB each. The client's sockets are in this
// process too: what half of a bare connection weighs is taken off.
func TestMemoryOfIdleConnections(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be weighed too")
	}
	const limit = 8<<10 + 256
	conns := 5000
	if free := descriptors(t); free < 2*conns+200 {
		conns = (free - 200) / 2
		t.Logf("only %d descriptors may be open: %d connections", free, conns)
	}
	if conns < 100 {
		t.Skipf("not enough descriptors for a figure that means anything: %d connections", conns)
	}
	socket := bareSocket(t, conns)
	addr, _ := serve(t, false)
	whole := weigh(t, conns, func() net.Conn {
		c := newRawClient(t, addr)
		if err := c.call(); err != nil {
			t.Fatal(err)
		}
		return c.nc // the client's buffers are not what is weighed
	})
	perConn := whole - socket
	t.Logf("%.0f bytes per idle connection on the server, heap and stacks (%.0f without taking off %.0f for the client's socket)",
		perConn, whole, socket)
	if perConn > limit {
		t.Errorf("%.0f bytes per idle connection, want %d at most", perConn, limit)
	}
}

// weigh opens n connections, after a few that pay for what is there once, and returns the
// bytes that each of them adds to what is in use. It closes them before it returns.
func weigh(t *testing.T, n int, open func() net.Conn) float64 {
	t.Helper()
	const few = 50
	conns := make([]net.Conn, 0, n+few)
	defer func() {
		for _, nc := range conns {
			_ = nc.Close()
		}
	}()
	for range few {
		conns = append(conns, open())
	}
	before := inUse()
	for range n {
		conns = append(conns, open())
	}
	return float64(inUse()-before) / float64(n)
}

// bareSocket weighs one end of a TCP connection that nobody uses.
func bareSocket(t *testing.T, n int) float64 {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	accepted := make(chan net.Conn) // one at a time, to the caller of open below
	go func() {
		defer close(accepted)
		for {
			nc, err := lis.Accept()
			if err != nil {
				return
			}
			accepted <- nc
		}
	}()
	var others []net.Conn
	defer func() {
		for _, nc := range others {
			_ = nc.Close()
		}
	}()
	others = make([]net.Conn, 0, 2*n)
	return weigh(t, n, func() net.Conn {
		nc, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, <-accepted)
		return nc
	}) / 2
}

// inUse is the memory of heap and stacks that is in use after a collection.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
