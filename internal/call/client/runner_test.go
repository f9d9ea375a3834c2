package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/internal/transport/inproc"
	"github.com/naru-rpc/naru/status"
)

// failing is a channel some of whose picks fail, and some of whose connections do not open streams.
type failing struct {
	SingleConn
	rounds atomic.Int64
	picks  func(n int64) error // of the nth pick, from 0
	broken func(n int64) bool  // whether the connection of the nth pick is
	open   atomic.Int64        // picks whose end was not told
}

func (f *failing) Pick(ctx context.Context, info *PickInfo) (transport.ClientConn, func(DoneInfo), error) {
	n := f.rounds.Add(1) - 1
	if err := f.picks(n); err != nil {
		return nil, nil, err
	}
	conn, _, err := f.SingleConn.Pick(ctx, info)
	if err != nil {
		return nil, nil, err
	}
	f.open.Add(1)
	var once atomic.Bool
	done := func(DoneInfo) {
		if once.Swap(true) {
			panic("done was called twice")
		}
		f.open.Add(-1)
	}
	if f.broken(n) {
		gone := &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Token: "x", Reason: "gone", Unprocessed: true}
		return &badConn{ClientConn: conn, err: gone}, done, nil
	}
	return conn, done, nil
}

// trouble is what goes wrong with a call: the name says where.
var troubles = []string{"none", "no connection", "connection gone", "refused", "fails at head", "fails in the middle", "deadline", "cancel", "close"}

// serveTrouble is the server's part.
func serveTrouble(what string) func(st *rawStream) {
	ok := answer{200, grpcHead, str("yes"), []string{"grpc-status", "0"}, false}
	return func(st *rawStream) {
		switch what {
		case "refused":
			if st.n%3 != 2 {
				st.Reset(codeRefused, "refused")
				return
			}
			ok.to(st)
		case "fails at head":
			if st.n%2 == 0 {
				failure(codes.Unavailable).to(st)
				return
			}
			ok.to(st)
		case "fails in the middle":
			answer{200, grpcHead, str("yes"), nil, true}.to(st)
		case "deadline", "cancel", "close":
			<-st.closed
		default:
			ok.to(st)
		}
	}
}

const codeRefused = 0x7

// roundCodes are the codes that a call of each trouble may end with.
var roundCodes = map[string]CodeSet{
	"none":                Codes(codes.OK),
	"no connection":       Codes(codes.OK, codes.Unavailable),
	"connection gone":     Codes(codes.OK, codes.Unavailable),
	"refused":             Codes(codes.OK, codes.Unavailable),
	"fails at head":       Codes(codes.OK, codes.Unavailable),
	"fails in the middle": Codes(codes.Internal),
	"deadline":            Codes(codes.DeadlineExceeded),
	"cancel":              Codes(codes.Canceled),
	"close":               Codes(codes.Canceled),
}

// TestRunner holds each kind of call under each policy against each trouble, with sending,
// receiving and Header on goroutines of their own: it never panics, always ends, has one status
// that does not change, and leaves no attempt open and no pick unanswered. NARU_ROUNDS sets how
// often.
func TestRunner(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("NARU_ROUNDS"))
	rounds = max(rounds, 5)
	kinds := map[string]Method{"unary": rawUnary, "server": rawServer1, "client": rawClient, "bidi": rawBidi}
	for kind, method := range kinds {
		for _, policy := range []string{"none", "retry", "hedge", "hedge at once"} {
			for _, what := range troubles {
				t.Run(kind+"/"+policy+"/"+what, func(t *testing.T) {
					t.Parallel()
					for range rounds {
						runnerRound(t, method, policy, what)
					}
				})
			}
		}
	}
}

func runnerRound(t *testing.T, method Method, policy, what string) {
	conn := inproc.New(&rawServer{serve: serveTrouble(what)}, 0, nil)
	defer conn.Close(nil)
	env := testEnv(t, conn)
	ch := &failing{SingleConn: SingleConn{conn}}
	always := rand.IntN(2) == 0 // or the first attempt only
	ch.picks = func(n int64) error {
		if what == "no connection" && (always || n == 0) {
			return status.Error(codes.Unavailable, "no connection")
		}
		return nil
	}
	ch.broken = func(n int64) bool { return what == "connection gone" && (n == 0 || always && n < 5) }
	env.Channel = ch
	set := testSettings()
	switch policy {
	case "retry":
		set.Retry.Policy = &RetryPolicy{MaxAttempts: 3, InitialBackoff: time.Microsecond, MaxBackoff: time.Microsecond, BackoffMultiplier: 1, Retryable: Codes(codes.Unavailable)}
	case "hedge":
		set.Retry.Hedging = hedging(3, time.Millisecond)
	case "hedge at once":
		set.Retry.Hedging = hedging(3, 0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if what == "deadline" {
		set.Timeout = time.Duration(1+rand.IntN(3000)) * time.Microsecond // 0 would be none
	}
	if what == "cancel" {
		time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
	}
	var err error
	if method == rawUnary {
		if what == "close" {
			return // unary calls have no Close
		}
		err = Invoke(ctx, env, method, set, encoding.RawMessage("q"), new(encoding.RawMessage))
	} else {
		err = streamRound(t, ctx, env, method, set, what)
	}
	if !roundCodes[what].Has(status.Code(err)) {
		t.Fatalf("ended with %v", err)
	}
	settle(t, "attempts open", func() bool { open, _ := conn.Load(); return open == 0 })
	settle(t, "picks without their end", func() bool { return ch.open.Load() == 0 })
}

// settle waits until something that other goroutines are about to do is done.
func settle(t *testing.T, what string, done func() bool) {
	t.Helper()
	end := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("%s are left", what)
		}
		<-time.After(50 * time.Microsecond)
	}
}

func streamRound(t *testing.T, ctx context.Context, env *Env, method Method, set *Settings, what string) error {
	s, err := NewStream(ctx, env, method, set)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 1 + rand.IntN(3) {
			if i > 0 && !method.ClientStreams {
				break
			}
			if err := s.SendMsg(encoding.RawMessage(make([]byte, 1+rand.IntN(maxReplay/2)))); err != nil && err != io.EOF {
				t.Errorf("SendMsg: %v", err)
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Errorf("CloseSend: %v", err)
		}
	})
	if rand.IntN(2) == 0 {
		wg.Go(func() {
			if _, err := s.Header(); err != nil && !roundCodes[what].Has(status.Code(err)) {
				t.Errorf("Header: %v", err)
			}
		})
	}
	if what == "close" {
		wg.Go(func() {
			<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond)
			_ = s.Close()
		})
	}
	for err == nil {
		if err = s.RecvMsg(new(encoding.RawMessage)); err == nil && !method.ServerStreams {
			break
		}
	}
	wg.Wait()
	final := fmt.Sprint(err)
	if again := s.RecvMsg(new(encoding.RawMessage)); err != nil && fmt.Sprint(again) != final {
		t.Errorf("the status was %v, and is %v", final, again)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
