package guards

import (
	"sync"
	"testing"

	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// maxWrites is the most writes a call may cost under load, on each side. Without combining it
// would be one.
const maxWrites = 0.5

// load makes 5,000 calls, 100 at a time, and returns their number.
func load(t *testing.T, call func() error) float64 {
	t.Helper()
	const callers, each = 100, 50
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if err := call(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	return callers * each
}

// TestWritesUnderLoad: calls that are ready at the same time share a write, on a connection that
// is not a socket of the standard library's.
func TestWritesUnderLoad(t *testing.T) {
	addr, accepted := serve(t, true)
	stub, conn := dialMetered(t, addr)
	call := func() error {
		_, err := stub.Unary(t.Context(), &benchpb.Message{Message: "hello"})
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	server := <-accepted
	clientBefore, serverBefore := conn().writes.Load(), server.writes.Load()
	calls := load(t, call)
	out := float64(conn().writes.Load()-clientBefore) / calls
	in := float64(server.writes.Load()-serverBefore) / calls
	t.Logf("writes per call: client %.3f, server %.3f", out, in)
	if out > maxWrites || in > maxWrites {
		t.Errorf("client %.3f and server %.3f writes per call, want %v at most", out, in, maxWrites)
	}
}

// TestWriteCallsUnderLoad is the same on sockets, where connections write to the descriptor
// themselves. The kernel counts, for both ends together.
func TestWriteCallsUnderLoad(t *testing.T) {
	addr, _ := serve(t, false)
	client, err := echo.NewClient(echo.Naru, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	call := func() error {
		_, err := client.Unary(t.Context(), &benchpb.Message{Message: "hello"})
		return err
	}
	if err := call(); err != nil {
		t.Fatal(err)
	}
	before := writeCalls(t)
	calls := load(t, call)
	both := float64(writeCalls(t)-before) / calls
	t.Logf("write calls per call: %.3f, both ends together", both)
	if both > maxWrites {
		t.Errorf("%.3f write calls per call, both ends together, want %v at most", both, maxWrites)
	}
}
