package guards

import (
	"context"
	"runtime"
	"testing"

	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// The message a side receives is two allocations: the struct and its string.
const messageAllocs = 2

// TestAllocationsPerCall counts the server with a client that allocates nothing, and both
// ends together; the client's are the difference.
func TestAllocationsPerCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, which shows as allocations")
	}
	const limit = 4
	addr, _ := serve(t, false)
	raw := newRawClient(t, addr)
	defer raw.nc.Close()
	server := testing.AllocsPerRun(2000, func() {
		if err := raw.call(); err != nil {
			t.Fatal(err)
		}
	})

	client, err := echo.NewClient(echo.Naru, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := &benchpb.Message{Message: "hello"}
	ctx := context.Background()
	both := testing.AllocsPerRun(2000, func() {
		if _, err := client.Unary(ctx, req); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("allocations per unary call beyond the message: client %.0f, server %.0f",
		both-server-messageAllocs, server-messageAllocs)
	if server > limit+messageAllocs {
		t.Errorf("server: %.0f allocations per call with the message, want %d at most", server, limit+messageAllocs)
	}
	if both-server > limit+messageAllocs {
		t.Errorf("client: %.0f allocations per call with the message, want %d at most", both-server, limit+messageAllocs)
	}
}

// TestBytesPerCall: what a call leaves to the collector, both ends together. With thousands of
// connections collecting is a good part of a server's work.
func TestBytesPerCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes pools forget, which shows as allocations")
	}
	if mem.Invariants {
		t.Skip("with -tags invariants nothing is used again")
	}
	addr, _ := serve(t, false)
	client, err := echo.NewClient(echo.Naru, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := &benchpb.Message{Message: "hello"}
	const calls, limit = 5000, 700
	var before, after runtime.MemStats
	for _, m := range []*runtime.MemStats{&before, &after} {
		for range calls {
			if _, err := client.Unary(context.Background(), req); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(m)
	}
	perCall := (after.TotalAlloc - before.TotalAlloc) / calls
	t.Logf("%d bytes per unary call, both ends with their messages", perCall)
	if perCall > limit {
		t.Errorf("%d bytes per unary call, want %d at most", perCall, limit)
	}
}
