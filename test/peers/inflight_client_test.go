package peers

import (
	"context"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// inFlight is how many calls run when the peer does what it does.
const inFlight = 100

// listen returns a listener that the test closes at its end.
func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lis.Close() })
	return lis
}

// Two methods of the scripted peer: one that must not be executed twice for all that is known, one
// that may be.
var (
	plainMethod      = &naru.MethodInfo{FullMethod: "/peers.Script/call"}
	idempotentMethod = &naru.MethodInfo{FullMethod: "/peers.Script/look", Idempotency: naru.NoSideEffects}
)

// startCalls makes n calls of plainMethod at the same moment. The channel gets each one's error.
func startCalls(ctx context.Context, cc naru.ClientConnInterface, n int) <-chan error {
	return startCallsOf(ctx, cc, plainMethod, n)
}

func startCallsOf(ctx context.Context, cc naru.ClientConnInterface, m *naru.MethodInfo, n int) <-chan error {
	results := make(chan error, n) // room for all: a test that gave up leaves nobody waiting
	for range n {
		go func() {
			results <- cc.Invoke(ctx, m, wrapperspb.String("x"), new(wrapperspb.StringValue))
		}()
	}
	return results
}

// wantCodes collects n results and wants each to have one of the codes with the count given.
func wantCodes(t *testing.T, results <-chan error, want map[codes.Code]int) {
	t.Helper()
	n := 0
	for _, count := range want {
		n += count
	}
	got := map[codes.Code]int{}
	var sample error
	timeout := time.After(wireTimeout)
	for i := range n {
		select {
		case err := <-results:
			got[status.Code(err)]++
			if want[status.Code(err)] == 0 {
				sample = err
			}
		case <-timeout:
			t.Fatalf("%d of %d calls ended after %v: %v", i, n, wireTimeout, got)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("calls ended with %v, want %v; one not wanted: %v", got, want, sample)
	}
}

func all(c codes.Code) map[codes.Code]int { return map[codes.Code]int{c: inFlight} }

var answer = wrapperspb.String("an answer")

// A peer that closes may have acted on every request: none is sent again, all fail.
func TestInFlightPeerCloses(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCalls(within(t, wireTimeout), cc, inFlight)
	first := acceptWire(t, lis)
	first.awaitEnded(inFlight)
	first.conn.Close()
	wantCodes(t, results, all(codes.Unavailable))

	// A later call finds a new connection, and is the first that is seen there.
	results = startCalls(within(t, wireTimeout), cc, 1)
	second := acceptWire(t, lis)
	second.reply(second.awaitEnded(1)[0], answer)
	wantCodes(t, results, map[codes.Code]int{codes.OK: 1})
	if got := len(second.open); got != 1 {
		t.Errorf("%d requests on the second connection, want 1: the first 100 may have been executed", got)
	}
}

// Methods that say they have no side effects are sent again all the same.
func TestInFlightPeerClosesOnIdempotentCalls(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCallsOf(within(t, wireTimeout), cc, idempotentMethod, inFlight)
	first := acceptWire(t, lis)
	first.awaitEnded(inFlight)
	first.conn.Close()
	second := acceptWire(t, lis)
	for _, id := range second.awaitEnded(inFlight) {
		second.reply(id, answer)
	}
	wantCodes(t, results, all(codes.OK))
}

// A GOAWAY names the last stream that was or may be processed: the calls above it are sent again
// elsewhere, whatever their method (RFC 9113 §6.8, gRFC A6 "transparent retries").
func TestInFlightPeerSendsGoAway(t *testing.T) {
	for _, processed := range []int{0, inFlight / 2, inFlight} {
		t.Run(map[int]string{0: "none processed", inFlight / 2: "half processed", inFlight: "all processed"}[processed], func(t *testing.T) {
			lis := listen(t)
			cc := dialNaru(t, lis.Addr().String(), nil)
			results := startCalls(within(t, wireTimeout), cc, inFlight)
			first := acceptWire(t, lis)
			ids := first.awaitEnded(inFlight)
			slices.Sort(ids)
			last := uint32(0)
			if processed > 0 {
				last = ids[processed-1]
			}
			first.do(first.fr.WriteGoAway(last, http2.ErrCodeNo, nil))
			if processed < inFlight {
				second := acceptWire(t, lis)
				for _, id := range second.awaitEnded(inFlight - processed) {
					second.reply(id, answer)
				}
			}
			for _, id := range ids[:processed] {
				first.reply(id, answer)
			}
			wantCodes(t, results, all(codes.OK))
			first.awaitClose() // the last stream ended: nothing can happen on it any more
		})
	}
}

// GOAWAY and the end of the connection right behind it: the client must not have lost the GOAWAY
// over the error of the socket.
func TestInFlightPeerSendsGoAwayAndCloses(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCalls(within(t, wireTimeout), cc, inFlight)
	first := acceptWire(t, lis)
	ids := first.awaitEnded(inFlight)
	slices.Sort(ids)
	first.do(first.fr.WriteGoAway(ids[inFlight/2-1], http2.ErrCodeNo, []byte("going")))
	first.conn.Close()
	second := acceptWire(t, lis)
	for _, id := range second.awaitEnded(inFlight / 2) {
		second.reply(id, answer)
	}
	wantCodes(t, results, map[codes.Code]int{codes.OK: inFlight / 2, codes.Unavailable: inFlight / 2})
}

// REFUSED_STREAM says that nothing was done (RFC 9113 §8.7): sent again once.
func TestInFlightPeerRefusesStreams(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCalls(within(t, wireTimeout), cc, inFlight)
	peer := acceptWire(t, lis)
	for _, id := range peer.awaitEnded(inFlight) {
		peer.do(peer.fr.WriteRSTStream(id, http2.ErrCodeRefusedStream))
	}
	for _, id := range peer.awaitEnded(inFlight) {
		peer.reply(id, answer)
	}
	wantCodes(t, results, all(codes.OK))
}

// A peer that refuses everything must not be asked for ever: gRFC A6 allows one transparent retry
// of a request that reached the server.
func TestInFlightPeerRefusesForEver(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCalls(within(t, wireTimeout), cc, inFlight)
	peer := acceptWire(t, lis)
	for range 2 {
		for _, id := range peer.awaitEnded(inFlight) {
			peer.do(peer.fr.WriteRSTStream(id, http2.ErrCodeRefusedStream))
		}
	}
	wantCodes(t, results, all(codes.Unavailable))
	if got := len(peer.open); got != 2*inFlight {
		t.Errorf("%d attempts for %d calls, want 2 each", got, inFlight)
	}
}

// Any other reset may come after the request was acted on: not sent again, and the code says how
// it ended (gRPC over HTTP/2, "Errors").
func TestInFlightPeerResetsStreams(t *testing.T) {
	for code, want := range map[http2.ErrCode]codes.Code{
		http2.ErrCodeNo:                 codes.Internal,
		http2.ErrCodeProtocol:           codes.Internal,
		http2.ErrCodeInternal:           codes.Internal,
		http2.ErrCodeFlowControl:        codes.Internal,
		http2.ErrCodeCancel:             codes.Canceled,
		http2.ErrCodeEnhanceYourCalm:    codes.ResourceExhausted,
		http2.ErrCodeInadequateSecurity: codes.PermissionDenied,
	} {
		t.Run(code.String(), func(t *testing.T) {
			lis := listen(t)
			cc := dialNaru(t, lis.Addr().String(), nil)
			results := startCalls(within(t, wireTimeout), cc, inFlight)
			peer := acceptWire(t, lis)
			for _, id := range peer.awaitEnded(inFlight) {
				peer.do(peer.fr.WriteRSTStream(id, code))
			}
			wantCodes(t, results, all(want))
			if got := len(peer.open); got != inFlight {
				t.Errorf("%d attempts for %d calls, want one each", got, inFlight)
			}
		})
	}
}

// A connection that is lost in the middle of the answers.
func TestInFlightPeerClosesHalfWayThroughAnswers(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCalls(within(t, wireTimeout), cc, inFlight)
	peer := acceptWire(t, lis)
	for i, id := range peer.awaitEnded(inFlight) {
		if i%2 == 0 {
			peer.reply(id, answer)
			continue
		}
		peer.headers(id, false, ":status", "200", "content-type", "application/grpc")
		peer.do(peer.fr.WriteData(id, false, framed(t, answer)[:3]))
	}
	peer.conn.Close()
	wantCodes(t, results, map[codes.Code]int{codes.OK: inFlight / 2, codes.Unavailable: inFlight / 2})
}

// The deadline of calls that are never answered: each ends by itself and is reset, so that the
// server can stop working on it.
func TestInFlightDeadline(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	results := startCalls(ctx, cc, inFlight)
	peer := acceptWire(t, lis)
	ids := peer.awaitEnded(inFlight)
	wantCodes(t, results, all(codes.DeadlineExceeded))
	peer.awaitResets(inFlight)
	for _, id := range ids {
		if got := peer.resets[id]; got != http2.ErrCodeCancel {
			t.Errorf("stream %d was reset with %v, want CANCEL", id, got)
		}
	}
}

// Close with calls under way: none is left behind.
func TestInFlightClientCloses(t *testing.T) {
	lis := listen(t)
	cc := dialNaru(t, lis.Addr().String(), nil)
	results := startCalls(within(t, wireTimeout), cc, inFlight)
	peer := acceptWire(t, lis)
	peer.awaitEnded(inFlight)
	if err := cc.Close(); err != nil {
		t.Error(err)
	}
	wantCodes(t, results, all(codes.Canceled))
	peer.awaitClose()
}
