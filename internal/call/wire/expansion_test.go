package wire

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
)

// expand waits for the turn of a message on its own goroutine and says so by the channel it
// returns.
func expand(ctx context.Context, e *Expansion, conn uint64, n int) (<-chan *expansion, <-chan error) {
	began, failed := make(chan *expansion, 1), make(chan error, 1)
	go func() {
		x, err := e.begin(ctx, conn, n)
		if err != nil {
			failed <- err
			return
		}
		began <- &x
	}()
	synctest.Wait()
	return began, failed
}

// fill takes every place there is for connection 99, with messages that hold next to nothing.
func fill(t *testing.T, e *Expansion) (leave func()) {
	t.Helper()
	var all []expansion
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		x, err := e.begin(t.Context(), 99, 1)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return func() {
		for i := range all {
			all[i].expanded(0, 1)
			all[i].release()
		}
	}
}

// finish ends those of the waiting whose turn has come, and returns how many there were.
func finish(waiting []<-chan *expansion, n int) (ended int) {
	for _, began := range waiting {
		select {
		case x := <-began:
			x.expanded(n, n)
			x.release()
			ended++
		default:
		}
	}
	synctest.Wait()
	return ended
}

// A connection with one small message is next, however many large ones of others have waited
// longer.
func TestExpansionIsFairByConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(Expansion)
		leave := fill(t, e)
		const large = 4 << 20
		var bombs []<-chan *expansion
		for i := range uint64(50) {
			began, _ := expand(t.Context(), e, 1+i%5, large)
			bombs = append(bombs, began)
		}
		free := leave
		for round := range 10 {
			small, _ := expand(t.Context(), e, 7, 1000)
			free()
			synctest.Wait()
			if finish([]<-chan *expansion{small}, 1000) != 1 {
				t.Errorf("round %d: a small message waits behind the bombs of others", round)
			}
			free = func() { // the bombs that began instead end
				if finish(bombs, large) == 0 {
					t.Errorf("round %d: no bomb is expanded beside", round)
				}
			}
		}
		for finish(bombs, large) > 0 {
		}
		wantEmpty(t, e)
	})
}

func wantEmpty(t *testing.T, e *Expansion) {
	t.Helper()
	if e.active != 0 || e.held != 0 || len(e.owners) != 0 || len(e.waiting) != 0 {
		t.Errorf("left: %d active, %d bytes, %d connections, %d waiting; want none", e.active, e.held, len(e.owners), len(e.waiting))
	}
}

// Calls that end while they wait leave at once.
func TestExpansionCanBeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(Expansion)
		leave := fill(t, e)
		ctx, cancel := context.WithCancel(t.Context())
		var failed []<-chan error
		for i := range uint64(100) {
			_, f := expand(ctx, e, i, 4<<20)
			failed = append(failed, f)
		}
		stays, _ := expand(t.Context(), e, 1, 4<<20)
		cancel()
		for _, f := range failed {
			if err := <-f; err != context.Canceled {
				t.Errorf("left with %v", err)
			}
		}
		leave()
		x := <-stays
		x.expanded(5, 4<<20)
		x.release()
		wantEmpty(t, e)
	})
}

// What is expanded and not decoded yet is bounded, and half of it is the most for one connection;
// others are served.
func TestExpansionIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := new(Expansion)
		hold := func(conn uint64) *expansion { // expanded, being decoded
			began, _ := expand(t.Context(), e, conn, 4<<20)
			select {
			case x := <-began:
				x.expanded(4<<20, 4<<20)
				return x
			default:
				return nil
			}
		}
		var held []*expansion
		for range MostExpanded / 2 / (4 << 20) {
			x := hold(1)
			if x == nil {
				t.Fatalf("%d bytes are held, and there is no turn for more", e.held)
			}
			held = append(held, x)
		}
		late, _ := expand(t.Context(), e, 1, 4<<20)
		if len(late) > 0 {
			t.Errorf("one connection holds more than %d bytes", MostExpanded/2)
		}
		other := hold(2)
		if other == nil {
			t.Fatal("another connection has to wait for one that has used up its half")
		}
		other.release()
		held[0].release()
		x := <-late
		x.expanded(0, 0)
		x.release()
		for _, x := range held[1:] {
			x.release()
		}
		alone, _ := expand(t.Context(), e, 3, 2*MostExpanded)
		x = <-alone
		x.expanded(2*MostExpanded, 2*MostExpanded)
		x.release()
		wantEmpty(t, e)
	})
}
