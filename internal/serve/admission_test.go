package serve

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/server"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
)

// stuckHandlers makes /t.S/unary a method whose handlers run until release is closed, whatever
// their contexts say. It returns the messages of those that have begun.
func stuckHandlers(release chan struct{}) (change func(*Config), begun func() []string) {
	var mu sync.Mutex
	var names []string
	change = func(c *Config) {
		c.Methods["/t.S/unary"].Handle = func(sc *server.Call) error {
			var m encoding.RawMessage
			if err := sc.RecvMsg(&m); err != nil {
				return err
			}
			mu.Lock()
			names = append(names, string(m))
			mu.Unlock()
			<-release
			return sc.Reply(m)
		}
	}
	return change, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(names)
	}
}

func openCall(t *testing.T, conn *inproc.Conn, message string) (*rawCall, transport.ClientStream) {
	t.Helper()
	r := newRawCall()
	st, err := conn.Open(post("/t.S/unary"), bufOf(frame(message)), true, r)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r, st
}

func mustDial(t *testing.T, s *Server) *inproc.Conn {
	t.Helper()
	conn, err := dial(s)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// A method whose handlers hang, and clients that give up: no more handlers run than may, calls that
// are given up while they wait leave, nothing is refused, other methods of the connection are
// served, and the connection stays.
func TestHandlersThatOutliveTheirCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck, begun := stuckHandlers(release)
		s := testServer(t, stuck, func(c *Config) { c.MaxHandlers = 4 })
		conn := mustDial(t, s)
		defer conn.Close(nil)
		for range 200 {
			r, st := openCall(t, conn, "x")
			if r.closed != nil {
				t.Fatalf("a call was refused: %v", r.closed)
			}
			st.Reset(8, "canceled")
		}
		synctest.Wait()
		if n := len(begun()); n != 2 {
			t.Errorf("%d handlers of one method run after their calls, want 2 of the 4 the connection may have", n)
		}
		if n := s.OpenCalls(); n != 2 {
			t.Errorf("%d calls open, want the 2 whose handlers run", n)
		}
		r := newRawCall()
		if _, err := conn.Open(post("/t.S/stream"), bufOf(frame("ab")), true, r); err != nil {
			t.Fatal(err)
		}
		<-r.done
		if r.trailers["grpc-status"] != "0" {
			t.Errorf("a call of another method: %s", r)
		}
		waits, _ := openCall(t, conn, "last")
		close(release)
		<-waits.done
		synctest.Wait()
		if got := begun(); waits.trailers["grpc-status"] != "0" || got[len(got)-1] != "last" {
			t.Errorf("a call that waited: %s, handlers %v", waits, got)
		}
		if n := s.OpenCalls(); n != 0 {
			t.Errorf("%d calls open at the end", n)
		}
	})
}

// The server's own limit: connections take turns, and calls of a connection that is gone leave the
// queue.
func TestLimitOfTheServersHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stuck, begun := stuckHandlers(release)
		s := testServer(t, stuck, func(c *Config) { c.MaxRunning = 2 })
		greedy, modest, gone := mustDial(t, s), mustDial(t, s), mustDial(t, s)
		defer greedy.Close(nil)
		defer modest.Close(nil)
		for range 10 {
			openCall(t, greedy, "greedy")
		}
		for range 10 {
			openCall(t, gone, "gone")
		}
		last, _ := openCall(t, modest, "modest")
		if got := begun(); len(got) != 2 || s.OpenCalls() != 21 {
			t.Errorf("%d handlers run of %d calls, want 2 of 21", len(got), s.OpenCalls())
		}
		gone.Close(nil)
		synctest.Wait()
		if n := s.OpenCalls(); n != 11 {
			t.Errorf("%d calls open when a connection with 10 had gone, want 11", n)
		}
		release <- struct{}{} // one ends: it is the turn of one of the two connections
		synctest.Wait()
		release <- struct{}{}
		synctest.Wait()
		if got := begun(); len(got) != 4 || !slices.Contains(got, "modest") || slices.Contains(got, "gone") {
			t.Errorf("handlers ran for %v, want one of the modest connection among the first four", got)
		}
		close(release)
		<-last.done
		synctest.Wait()
		if n := s.OpenCalls(); n != 0 {
			t.Errorf("%d calls open at the end", n)
		}
	})
}

// A call that waits because its connection does not fetch its responses ends at its deadline, and
// is none then.
func TestParkedCallsEndAtTheirDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		close(release)
		change, begun := stuckHandlers(release)
		s := testServer(t, change)
		conn := mustDial(t, s)
		defer conn.Close(nil)
		var c *connection
		for c = range s.conns {
		}
		c.Backlog(true)
		calls := map[string]*rawCall{"10m": newRawCall(), "20m": newRawCall(), "1H": newRawCall()}
		began := time.Now()
		for timeout, r := range calls {
			if _, err := conn.Open(post("/t.S/unary", "grpc-timeout", timeout), bufOf(frame(timeout)), true, r); err != nil {
				t.Fatal(err)
			}
		}
		for _, timeout := range []string{"10m", "20m"} {
			<-calls[timeout].done
			got := calls[timeout].String()
			if !strings.Contains(got, "grpc-status 4: the deadline passed while the call waited for its turn") {
				t.Errorf("%s: %s", timeout, got)
			}
		}
		if d := time.Since(began); d != 20*time.Millisecond {
			t.Errorf("ended after %v", d)
		}
		if n := s.OpenCalls(); n != 1 {
			t.Errorf("%d calls are open, want the one that waits", n)
		}
		c.Backlog(false)
		<-calls["1H"].done
		synctest.Wait()
		if got := begun(); !slices.Equal(got, []string{"1H"}) || s.OpenCalls() != 0 {
			t.Errorf("handlers began for %v; %d calls are open", got, s.OpenCalls())
		}
	})
}

// Calls of a connection that does not fetch its responses take no turn of the server's: others'
// calls are served, and theirs when it has fetched them.
func TestBacklogTakesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		close(release)
		change, begun := stuckHandlers(release)
		s := testServer(t, func(c *Config) { change(c); c.MaxRunning = 2 })
		deaf := mustDial(t, s)
		defer deaf.Close(nil)
		var c *connection
		for c = range s.conns {
		}
		c.Backlog(true)
		call := func(conn transport.ClientConn, name string) *rawCall {
			r := newRawCall()
			if _, err := conn.Open(post("/t.S/unary"), bufOf(frame(name)), true, r); err != nil {
				t.Fatal(err)
			}
			return r
		}
		var waiting []*rawCall
		for range 5 {
			waiting = append(waiting, call(deaf, "deaf"))
		}
		synctest.Wait()
		other := mustDial(t, s)
		defer other.Close(nil)
		r := call(other, "other")
		synctest.Wait()
		if got := begun(); !slices.Equal(got, []string{"other"}) {
			t.Fatalf("handlers began for %v, want the other connection's call", got)
		}
		<-r.done
		c.Backlog(false)
		for _, w := range waiting {
			<-w.done
		}
		synctest.Wait()
		if n := s.OpenCalls(); n != 0 || len(begun()) != 6 {
			t.Errorf("%d calls are open, %d handlers began; want 0 and 6", n, len(begun()))
		}
	})
}
