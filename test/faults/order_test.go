package faults

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/memnet"
	"github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/benchpb/benchpbnaru"
	"github.com/naru-rpc/naru/test/internal/racing"
)

// An answer is one delivery: the frames of a server's side, in the order in which they come.
type answer struct {
	calls  int    // in flight, 1 or 2, on streams 1 and 3
	order  string // H, D, T: HEADERS, DATA and trailers of the first call, h, d, t of the second; G: GOAWAY, g: a graceful one; R: RST_STREAM of the first
	last   uint32 // of GOAWAY
	code   frame.ErrCode
	stream bool // the calls are bidi streams
	apart  bool // each frame is processed before the next one comes
}

func (a answer) String() string {
	return fmt.Sprintf("%d calls, stream %t, %s with GOAWAY(%d) and RST_STREAM(%v), apart %t", a.calls, a.stream, a.order, a.last, a.code, a.apart)
}

// TestAnswersInEveryOrder delivers HEADERS, DATA and trailers of one and of two calls with GOAWAY
// and RST_STREAM at every place between, before and behind. Each call ends as the frames up to its
// end say, and nothing that follows changes that; a call is sent again only if the server has not
// looked at it.
func TestAnswersInEveryOrder(t *testing.T) {
	lasts := []uint32{0, 1, 3, frame.MaxStreamID}
	resets := []frame.ErrCode{frame.RefusedStream, frame.Cancel, frame.NoError, frame.InternalError, frame.EnhanceYourCalm}
	n := 0
	deliver := func(a answer) {
		n++
		if racing.Enabled && n%10 != 0 {
			return
		}
		synctest.Test(t, a.test)
		if t.Failed() {
			t.Fatalf("stopped after: %v", a)
		}
	}
	for _, order := range interleavings("HDT", "G", "R") {
		for _, last := range lasts {
			for _, code := range resets {
				for i := range 4 {
					deliver(answer{1, order, last, code, i%2 == 1, i >= 2})
				}
			}
		}
	}
	for calls, orders := range map[int][][]string{
		2: {interleavings("HDT", "hdt", "G", "R")},
		1: {interleavings("HDT", "gG", "R"), interleavings("HDT", "Gg", "R")},
	} {
		for i, order := range slices.Concat(orders...) {
			for j, last := range lasts {
				k := i*len(lasts) + j
				deliver(answer{calls, order, last, resets[k%len(resets)], k/2%2 == 1, k/4%2 == 1})
			}
		}
	}
	t.Logf("%d orders", n)
}

// interleavings are all orders of the letters that keep the order within each part.
func interleavings(parts ...string) (all []string) {
	done := true
	for i, p := range parts {
		if p == "" {
			continue
		}
		done = false
		rest := append([]string{}, parts...)
		rest[i] = p[1:]
		for _, tail := range interleavings(rest...) {
			all = append(all, p[:1]+tail)
		}
	}
	if done {
		return []string{""}
	}
	return all
}

// A verdict is what has to become of a call.
type verdict struct {
	code  codes.Code
	again bool // it is sent again
	// twice: the attempt that follows may be refused as well, and there is no third (gRFC A6:
	// "retry the RPC once").
	twice bool
}

// raise tells whether the second of two GOAWAY frames raises the last stream id.
func (a answer) raise() bool {
	return strings.IndexByte(a.order, 'G') < strings.IndexByte(a.order, 'g') && a.last < frame.MaxStreamID
}

// outcome is the verdict on call i, 0 or 1, by the RFC and gRFC A6.
func (a answer) outcome(i int) verdict {
	id, marks, head := uint32(1+2*i), []string{"HDT", "hdt"}[i], false
	for at, f := range a.order {
		switch {
		case f == rune(marks[0]):
			head = true
		case f == rune(marks[2]):
			return verdict{code: codes.OK}
		case f == 'G' && a.last < id:
			// RFC 9113 §6.8: not processed, so that it is safe to send it again. An answer has
			// begun: the server contradicts itself, and what is safe is not to.
			if head {
				return verdict{code: codes.Unavailable}
			}
			return verdict{code: codes.OK, again: true}
		case f == 'g' && a.raise():
			return verdict{code: codes.Unavailable} // §6.8: "MUST NOT increase", an error of the connection
		case f == 'R' && i == 0 && a.code != frame.RefusedStream:
			return verdict{code: codes.FromHTTP2Error(uint32(a.code))}
		case f == 'R' && i == 0 && head:
			return verdict{code: codes.Unavailable}
		case f == 'R' && i == 0:
			// §8.7: not processed. The second attempt may be on this connection when GOAWAY comes;
			// one that is processed apart finds it answered.
			follows := strings.ContainsAny(a.order[at:], "Gg") && (a.last < uint32(1+2*a.calls) || a.raise())
			return verdict{code: codes.OK, again: true, twice: follows && !a.apart}
		}
	}
	return verdict{code: codes.OK}
}

// matches tells whether a call ended as it had to.
func (v verdict) matches(code codes.Code, sent int) bool {
	if v.twice && code == codes.Unavailable && sent <= 2 {
		return true
	}
	want := 1
	if v.again {
		want = 2
	}
	return code == v.code && sent == want
}

// test makes the calls.
func (a answer) test(t *testing.T) {
	network := &memnet.Network{}
	lis, err := network.Listen("server")
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan *scripted, 1) // capacity 1: the first connection
	served := newScripts(a.calls, func(s *scripted) { first <- s })
	go served.serve(lis)
	c, err := naru.NewClient("passthrough:///server", naru.WithPlaintext(), naru.WithDialer(network.DialContext), naru.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	echo := benchpbnaru.NewEchoClient(c)
	var ends [2]error
	var calls sync.WaitGroup
	for i := range a.calls {
		calls.Go(func() { ends[i] = a.call(t, echo, int64(i)) })
		synctest.Wait()
	}
	s := <-first
	s.deliver(a)
	calls.Wait()
	for i := range a.calls {
		want, sent := a.outcome(i), served.count(int64(i))
		if !want.matches(status.Code(ends[i]), sent) {
			t.Errorf("%v: call %d was sent %d times and ended with %v, want %+v", a, i+1, sent, ends[i], want)
		}
	}
	if err := unary(echo, 9); err != nil {
		t.Errorf("%v: the next call: %v", a, err)
	}
	_ = c.Close()
	_ = lis.Close()
	served.wg.Wait()
}

func unary(echo benchpbnaru.EchoClient, id int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := echo.Unary(ctx, &benchpb.Message{Id: id})
	return err
}

// call makes a call and returns how it ended. A stream's messages come before its end, and no more
// than were sent.
func (a answer) call(t *testing.T, echo benchpbnaru.EchoClient, id int64) error {
	if !a.stream {
		return unary(echo, id)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	st, err := echo.Bidi(ctx)
	if err != nil {
		return err
	}
	_ = st.Send(&benchpb.Message{Id: id}) // Recv tells how the stream ended
	_ = st.CloseSend()
	for got := 0; ; got++ {
		m, err := st.Recv()
		if err == nil && (got > 0 || m.GetId() != id) {
			t.Errorf("%v: message %d of stream %d is %v", a, got+1, id, m)
		}
		if err == io.EOF && got != 1 {
			t.Errorf("%v: stream %d ended with OK after %d messages, want 1", a, id, got)
		}
		if err == nil {
			continue
		}
		if _, again := st.Recv(); again != err {
			t.Errorf("%v: stream %d ended with %v, and then with %v", a, id, err, again)
		}
		if err == io.EOF {
			return nil
		}
		return err
	}
}
