package channel

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
	"github.com/naru-rpc/naru/status"
)

func TestFirstCallConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{}, "a:1", "b:1")
		synctest.Wait()
		if got := c.State(); got != connectivity.Idle {
			t.Errorf("state of a new channel: got %v, want IDLE", got)
		}
		n.wantDials("nobody called yet")
		conn, done := mustPick(t, c, client.PickInfo{})
		if conn.addr != "a:1" {
			t.Errorf("picked %v, want a:1: pick_first prefers the first address", conn)
		}
		if got := c.State(); got != connectivity.Ready {
			t.Errorf("state after a call: got %v, want READY", got)
		}
		done(client.DoneInfo{})
		n.wantDials("one connection is enough", "a:1 at 0s")
	})
}

func TestFailFastCarriesTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "refuse")
		c := newTest(t, n, Config{}, "a:1")
		_, _, err := c.Pick(context.Background(), &client.PickInfo{})
		if status.Code(err) != codes.Unavailable {
			t.Fatalf("Pick: got %v, want UNAVAILABLE", err)
		}
		for _, want := range []string{"test:///x", "a:1", "refused"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not tell %q", err, want)
			}
		}
		var f *connectivity.Failure
		if !errors.As(err, &f) || f.Reason != connectivity.Refused || f.Address != "a:1" {
			t.Errorf("failure in the error: got %+v, want reason refused at a:1", f)
		}
		if got := c.FailureCounts()[connectivity.Refused]; got != 1 {
			t.Errorf("refused attempts counted: got %d, want 1", got)
		}
	})
}

func TestWaitForReadyOutlastsTransientFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "refuse")
		c := newTest(t, n, Config{}, "a:1")
		start := time.Now()
		time.AfterFunc(2*time.Second, func() { n.set("a:1", "") })
		conn, done := mustPick(t, c, client.PickInfo{WaitForReady: true})
		done(client.DoneInfo{})
		if conn.addr != "a:1" {
			t.Errorf("picked %v, want a:1", conn)
		}
		if got, want := time.Since(start), 2600*time.Millisecond; got != want {
			t.Errorf("waited %v, want %v: attempts at 0 s, 1 s and 2.6 s, the last one succeeds", got, want)
		}
	})
}

func TestBackoffOfConnectionBackoffMD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "refuse")
		c := newTest(t, n, Config{IdleTimeout: -1}, "a:1")
		c.Connect()
		after(20 * time.Second)
		n.wantDials("1 s, times 1.6 each", "a:1 at 0s", "a:1 at 1s", "a:1 at 2.6s", "a:1 at 5.16s", "a:1 at 9.256s", "a:1 at 15.8096s")
		if got := c.State(); got != connectivity.TransientFailure {
			t.Errorf("state: got %v, want TRANSIENT_FAILURE, which sticks until a connection succeeds (gRFC A62)", got)
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "hang")
		c := newTest(t, n, Config{}, "a:1")
		start := time.Now()
		_, _, err := c.Pick(context.Background(), &client.PickInfo{})
		if got, want := time.Since(start), 20*time.Second; got != want {
			t.Errorf("failed after %v, want %v: MIN_CONNECT_TIMEOUT", got, want)
		}
		var f *connectivity.Failure
		if !errors.As(err, &f) || f.Reason != connectivity.ConnectTimeout || !strings.Contains(f.Text, "20s") {
			t.Errorf("failure: got %v, want reason connect_timeout that names 20s", err)
		}
	})
}

func TestReconnectAfterGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{}, "a:1")
		first, done := mustPick(t, c, client.PickInfo{})
		after(time.Minute)
		first.goAway(0, "max_age")
		synctest.Wait()
		if got := c.State(); got != connectivity.Idle {
			t.Errorf("state after GOAWAY: got %v, want IDLE: pick_first waits for the next call", got)
		}
		second, done2 := mustPick(t, c, client.PickInfo{})
		if second == first {
			t.Errorf("picked a connection that drains")
		}
		select {
		case <-first.done:
			t.Errorf("the draining connection was closed under the call it still has")
		default:
		}
		done(client.DoneInfo{})
		done2(client.DoneInfo{})
		if got := c.FailureCounts()[connectivity.GoAway]; got != 1 {
			t.Errorf("goaways counted: got %d, want 1", got)
		}
	})
}

// TestDrainedBeforeReady: a server that drains a connection in good order before it is ready has
// not failed, and calls wait for the next one. One that does nothing else is not connected to in a
// loop.
func TestDrainedBeforeReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "drain once")
		c := newTest(t, n, Config{}, "a:1")
		start := time.Now()
		_, done := mustPick(t, c, client.PickInfo{}) // does not wait for ready
		done(client.DoneInfo{})
		if d := time.Since(start); d != 0 {
			t.Errorf("the call waited %v, want no backoff", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "drain")
		c := newTest(t, n, Config{IdleTimeout: -1}, "a:1")
		if _, _, err := c.Pick(context.Background(), &client.PickInfo{}); err == nil {
			t.Error("a connection to a server that drains each")
		}
		after(5 * time.Second)
		n.wantDials("a second one at once, then 1 s, times 1.6 each", "a:1 at 0s", "a:1 at 0s", "a:1 at 1s", "a:1 at 2.6s")
	})
}

func TestShortLivedConnectionsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{}, "a:1")
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for {
			conn, done, err := c.Pick(ctx, &client.PickInfo{WaitForReady: true})
			if err != nil {
				break
			}
			done(client.DoneInfo{})
			conn.(*fakeConn).goAway(0, "")
			conn.Close(nil)
			synctest.Wait()
		}
		n.wantDials("the first short connection is bad luck, from the second on it backs off",
			"a:1 at 0s", "a:1 at 0s", "a:1 at 1s", "a:1 at 2.6s", "a:1 at 5.16s", "a:1 at 9.256s")
	})
}

// A server that ends connections soon, but not before they were of use, is connected to as often as
// it likes.
func TestShortUsefulConnectionsDoNotBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{}, "a:1")
		for range 10 {
			conn, done := mustPick(t, c, client.PickInfo{})
			done(client.DoneInfo{Sent: true, Received: true})
			after(100 * time.Millisecond)
			conn.goAway(0, "max_age")
			conn.Close(nil)
			synctest.Wait()
		}
		if got := len(n.conns); got != 10 {
			t.Errorf("connections: got %d, want 10", got)
		}
	})
}

func TestDeadlineErrorTellsWhatWasWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "refuse")
		c := newTest(t, n, Config{}, "a:1")
		_, _, err := c.Pick(context.Background(), &client.PickInfo{
			WaitForReady: true, Deadline: time.Now().Add(3 * time.Second), DeadlineBy: "WithTimeout", Attempt: 1,
		})
		if status.Code(err) != codes.DeadlineExceeded {
			t.Fatalf("Pick: got %v, want DEADLINE_EXCEEDED", err)
		}
		for _, want := range []string{"3s", "connecting", "a:1", "refused", "set by WithTimeout"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not tell %q", err, want)
			}
		}
		var f *connectivity.Failure
		if !errors.As(err, &f) || f.Reason != connectivity.Refused {
			t.Errorf("failure in the error: got %v, want reason refused", f)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is not context.DeadlineExceeded")
		}
		r, ok := status.Local[*connectivity.Report](err)
		if !ok || r.Target != "test:///x" || r.Connecting != 3*time.Second || r.Resolving+r.Queued != 0 ||
			r.State != connectivity.TransientFailure || r.Last != f || r.Attempts != 1 || r.DeadlineBy != "WithTimeout" {
			t.Errorf("report: got %+v, want 3 s of connecting to test:///x and the failure", r)
		}
	})
}

func TestWaitReadyTellsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "refuse")
		c := newTest(t, n, Config{}, "a:1")
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		err := c.WaitReady(ctx)
		var f *connectivity.Failure
		if status.Code(err) != codes.DeadlineExceeded || !errors.As(err, &f) || f.Reason != connectivity.Refused {
			t.Fatalf("WaitReady: got %v, want DEADLINE_EXCEEDED with reason refused", err)
		}
		n.set("a:1", "")
		if err := c.WaitReady(context.Background()); err != nil {
			t.Errorf("WaitReady after the server came up: %v", err)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{IdleTimeout: time.Minute}, "a:1")
		conn, done := mustPick(t, c, client.PickInfo{})
		after(10 * time.Minute)
		synctest.Wait()
		if got := c.State(); got != connectivity.Ready {
			t.Fatalf("state while a call is under way: got %v, want READY", got)
		}
		done(client.DoneInfo{})
		after(59 * time.Second)
		synctest.Wait()
		if got := c.State(); got != connectivity.Ready {
			t.Errorf("state before the idle timeout: got %v, want READY", got)
		}
		after(61 * time.Second)
		synctest.Wait()
		if got := c.State(); got != connectivity.Idle {
			t.Errorf("state after twice the idle timeout: got %v, want IDLE", got)
		}
		select {
		case <-conn.done:
		default:
			t.Errorf("the connection is still there in IDLE")
		}
		_, done = mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
	})
}

func TestCloseEndsWaitingCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.set("a:1", "hang")
		c := newTest(t, n, Config{}, "a:1")
		errs := make(chan error, 1)
		go func() {
			_, _, err := c.Pick(context.Background(), &client.PickInfo{WaitForReady: true})
			errs <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-errs; status.Code(err) != codes.Canceled {
			t.Errorf("waiting call: got %v, want CANCELED", err)
		}
		if _, _, err := c.Pick(context.Background(), &client.PickInfo{}); status.Code(err) != codes.Canceled {
			t.Errorf("call after Close: got %v, want CANCELED", err)
		}
		if got := c.State(); got != connectivity.Shutdown {
			t.Errorf("state: got %v, want SHUTDOWN", got)
		}
		if err := c.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestResolverErrorKeepsTheLastAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := newFakeNet(t), newManual()
		c := newTestWith(t, n, Config{Target: "test:///x", Resolvers: resolver.NewRegistry(m)})
		c.Connect()
		<-m.run
		m.w.Fail(errors.New("no such host"))
		_, _, err := c.Pick(context.Background(), &client.PickInfo{})
		var f *connectivity.Failure
		if status.Code(err) != codes.Unavailable || !errors.As(err, &f) || f.Reason != connectivity.NameResolution {
			t.Fatalf("call before the first answer: got %v, want UNAVAILABLE for name_resolution", err)
		}
		if err := m.w.Update(resolver.State{Endpoints: resolver.EndpointsOf("a:1")}); err != nil {
			t.Fatal(err)
		}
		_, done := mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
		m.w.Fail(errors.New("no such host"))
		conn, done := mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
		if conn.addr != "a:1" {
			t.Errorf("picked %v, want a:1, known from before", conn)
		}
		if err := m.w.Update(resolver.State{Endpoints: resolver.EndpointsOf("b:1")}); err != nil {
			t.Fatal(err)
		}
		conn, done = mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
		if conn.addr != "b:1" {
			t.Errorf("picked %v, want b:1 after the update", conn)
		}
	})
}

func TestStreamLimitOpensConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.limit = 2
		c := newTest(t, n, Config{MaxConnections: 3}, "a:1")
		type got struct {
			i    int
			conn *fakeConn
			done func(client.DoneInfo)
		}
		gots := make(chan got, 10)
		for i := range 8 {
			go func() {
				conn, done := mustPick(t, c, client.PickInfo{})
				gots <- got{i, conn, done}
			}()
			synctest.Wait()
		}
		per := map[*fakeConn]int{}
		var held []got
		for range 6 {
			g := <-gots
			per[g.conn]++
			held = append(held, g)
		}
		if len(per) != 3 {
			t.Errorf("connections: got %d, want 3, the bound", len(per))
		}
		for conn, calls := range per {
			if calls != 2 {
				t.Errorf("%v has %d calls, want 2, the peer's limit", conn, calls)
			}
		}
		synctest.Wait()
		if len(gots) != 0 {
			t.Fatalf("a call went past the limit")
		}
		held[0].done(client.DoneInfo{})
		if g := <-gots; g.i != 6 || g.conn != held[0].conn {
			t.Errorf("the free slot went to call %d on %v, want call 6 (first come, first served) on %v", g.i, g.conn, held[0].conn)
		}
		held[1].done(client.DoneInfo{})
		<-gots
		for _, g := range held[2:] {
			g.done(client.DoneInfo{})
		}
		after(2 * defaultExtraConnectionIdle)
		synctest.Wait()
		alive := 0
		for _, conn := range n.conns {
			select {
			case <-conn.done:
			default:
				alive++
			}
		}
		if alive != 1 {
			t.Errorf("connections left when they are not needed: got %d, want 1", alive)
		}
	})
}

func TestStreamLimitRaisedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		c := newTest(t, n, Config{MaxConnections: 1}, "a:1")
		_, done := mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
		n.conn(0).setLimit(0)
		// The transport refuses what the count still allows.
		picked := make(chan *fakeConn)
		go func() {
			conn, done := mustPick(t, c, client.PickInfo{Full: n.conn(0)})
			done(client.DoneInfo{})
			picked <- conn
		}()
		after(time.Second)
		n.conn(0).setLimit(1)
		n.conn(0).slot <- struct{}{}
		if conn := <-picked; conn != n.conn(0) {
			t.Errorf("picked %v, want %v", conn, n.conn(0))
		}
	})
}

func TestQueuedCallGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.limit = 1
		c := newTest(t, n, Config{MaxConnections: 1}, "a:1")
		_, done := mustPick(t, c, client.PickInfo{})
		_, _, err := c.Pick(context.Background(), &client.PickInfo{Deadline: time.Now().Add(time.Second)})
		if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "queued for a stream 1s") {
			t.Errorf("got %v, want DEADLINE_EXCEEDED that tells of a queue of 1s", err)
		}
		done(client.DoneInfo{})
		_, done = mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
	})
}

func TestLostConnectionSendsTheQueueBackToThePicker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newFakeNet(t)
		n.limit = 1
		c := newTest(t, n, Config{MaxConnections: 1}, "a:1")
		_, done := mustPick(t, c, client.PickInfo{})
		picked := make(chan *fakeConn)
		go func() {
			conn, done := mustPick(t, c, client.PickInfo{})
			done(client.DoneInfo{})
			picked <- conn
		}()
		synctest.Wait()
		n.conn(0).fail(&transport.Error{Origin: transport.OriginNetwork, Token: "read", Reason: "connection reset"})
		done(client.DoneInfo{})
		if conn := <-picked; conn != n.conn(1) {
			t.Errorf("the waiting call got %v, want the second connection", conn)
		}
	})
}

func TestPickDoesNotAllocate(t *testing.T) {
	n := newFakeNet(t)
	c := newTest(t, n, Config{}, "a:1")
	info := &client.PickInfo{FullMethod: "/s/m"}
	_, done := mustPick(t, c, *info)
	done(client.DoneInfo{})
	ctx := context.Background()
	allocs := testing.AllocsPerRun(1000, func() {
		_, done, err := c.Pick(ctx, info)
		if err != nil {
			t.Fatal(err)
		}
		done(client.DoneInfo{})
	})
	if allocs != 0 {
		t.Errorf("allocations per pick: got %v, want 0", allocs)
	}
}

func BenchmarkPick(b *testing.B) {
	n := newFakeNet(b)
	c := newTest(b, n, Config{}, "a:1")
	info := &client.PickInfo{FullMethod: "/s/m"}
	_, done := mustPick(b, c, *info)
	done(client.DoneInfo{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		info := *info
		for pb.Next() {
			_, done, err := c.Pick(context.Background(), &info)
			if err != nil {
				b.Error(err)
			}
			done(client.DoneInfo{})
		}
	})
}
