package guards

import (
	"net"
	"runtime"
	"testing"
)

// TestMemoryOfIdleConnections holds connections that made one call each, from a client that
// keeps nothing but its buffer, and weighs what the process grew by.
func TestMemoryOfIdleConnections(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be weighed too")
	}
	const limit = 8 << 10
	conns := 5000
	if free := descriptors(t); free < 2*conns+200 {
		conns = (free - 200) / 2
		t.Logf("only %d descriptors may be open: %d connections", free, conns)
	}
	if conns < 100 {
		t.Skipf("not enough descriptors for a figure that means anything: %d connections", conns)
	}
	addr, _ := serve(t, unmetered)
	var open []net.Conn
	defer func() {
		for _, nc := range open {
			_ = nc.Close()
		}
	}()
	open = make([]net.Conn, 0, conns+50)
	hold := func(n int) {
		for range n {
			c := newRawClient(t, addr)
			if err := c.call(); err != nil {
				t.Fatal(err)
			}
			open = append(open, c.nc) // the client's buffers are not what is weighed
		}
	}
	hold(50) // pays for what is there once
	before := inUse()
	hold(conns)
	grown := inUse() - before
	perConn := float64(grown) / float64(conns)
	t.Logf("%.0f bytes per idle connection: heap and stacks of the server, and the client's socket", perConn)
	if perConn > limit {
		t.Errorf("%.0f bytes per idle connection, want %d at most", perConn, limit)
	}
}

// inUse is the memory of heap and stacks that is in use after a collection.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // the second empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
