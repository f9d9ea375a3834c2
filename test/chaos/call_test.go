package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // both of grpc-go's ends know it then

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/serviceconfig"
	"github.com/naru-rpc/naru/test/internal/pair"
)

// A call is what is done to a call, chosen before it is made.
type call struct {
	id       string
	client   *client
	kind     pair.Kind
	messages []string
	fails    int           // attempts that fail on the server
	delay    time.Duration // of the handler
	deadline time.Duration // 0: none
	cancel   time.Duration // 0: none
	tries    int           // handlers it may run
	options  []any

	// set while it is made
	began    time.Time
	canceled atomic.Bool
}

// A call that has not ended is late, which is a fault, when it has had hang and so many calls that
// began after it have ended: a machine that is busy with something else, or the race detector,
// makes all of them slow, and there nothing but others tells a hang from that. stuck is for the
// case that all callers hang.
const (
	hang  = 10 * time.Second
	later = 2000
	stuck = 3 * time.Minute
)

// isLate reports whether a call that has not ended is late. before is how many calls had ended when
// it began.
func (w *world) isLate(began time.Time, before int64) bool {
	had := time.Since(began)
	return had >= hang && w.ended.Load()-before >= later+callers || had >= stuck
}

// watch calls late when the call is late, unless it is stopped before.
func (w *world) watch(began time.Time, late func()) (stop func()) {
	before := w.ended.Load()
	done := make(chan struct{}) // capacity 0; closed by stop
	go func() {
		look := time.NewTicker(time.Second)
		defer look.Stop()
		for {
			select {
			case <-done:
				return
			case <-look.C:
				if w.isLate(began, before) {
					late()
					return
				}
			}
		}
	}()
	return func() { close(done) }
}

func (w *world) choose(rng *rand.Rand, id string) *call {
	c := &call{client: w.clients[rng.IntN(len(w.clients))], kind: pair.Kinds[rng.IntN(len(pair.Kinds))], tries: 1}
	c.id = id + " one"
	if c.kind == pair.Bidi {
		c.id = id + " many"
	}
	n := 1
	if c.kind.ManyRequests() {
		n = 1 + rng.IntN(4)
	}
	for i := range n {
		c.messages = append(c.messages, content(c.id, i))
	}
	if rng.IntN(2) == 0 {
		c.delay = time.Duration(rng.IntN(4000)) * time.Microsecond
	}
	if rng.IntN(4) == 0 {
		c.deadline = time.Duration(rng.IntN(15_000)+1) * time.Microsecond
	}
	if rng.IntN(4) == 0 {
		c.cancel = time.Duration(rng.IntN(8_000)+1) * time.Microsecond
	}
	if rng.IntN(4) == 0 {
		c.fails = 1 + rng.IntN(attempts)
	}
	if rng.IntN(4) == 0 {
		c.options = append(c.options, naru.WithCompression("gzip"), grpc.UseCompressor("gzip"))
	}
	c.policy(rng)
	return c
}

// policy gives some calls of naru's client a policy of their own; those of clients that retry have
// one.
func (c *call) policy(rng *rand.Rand) {
	if c.client.retries {
		c.tries = attempts
		return
	}
	if c.client.stack != pair.Naru.Name {
		return
	}
	switch rng.IntN(4) {
	case 0:
		c.options = append(c.options, naru.WithRetry(serviceconfig.RetryPolicy{
			MaxAttempts: attempts, InitialBackoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
			BackoffMultiplier: 1, RetryableStatusCodes: []codes.Code{codes.Unavailable},
		}))
		c.tries = attempts
	case 1:
		c.options = append(c.options, naru.WithHedging(serviceconfig.HedgingPolicy{
			MaxAttempts: attempts, HedgingDelay: time.Duration(rng.IntN(2000)) * time.Microsecond, NonFatalStatusCodes: []codes.Code{codes.Unavailable},
		}))
		c.tries = attempts
	}
}

func (w *world) call(rng *rand.Rand, id string) {
	c := w.choose(rng, id)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.began = time.Now()
	if c.deadline > 0 {
		ctx, cancel = context.WithTimeout(ctx, c.deadline)
		defer cancel()
	}
	if c.cancel > 0 {
		timer := time.AfterFunc(c.cancel, func() {
			c.canceled.Store(true)
			cancel()
		})
		defer timer.Stop()
	}
	stop := w.watch(c.began, func() {
		if c.client.stack != pair.Naru.Name && c.kind != pair.Unary && c.client.brokeSince(c.began) {
			c.canceled.Store(true) // see foreignLoss
			cancel()
			return
		}
		w.fault("%s: no end after %v; %d calls have ended, most of which began later", c, time.Since(c.began), w.ended.Load())
		cancel()
	})
	defer stop()
	defer w.ended.Add(1)
	res := c.client.Do(ctx, pair.Request{
		Kind: c.kind, Messages: c.messages, Options: c.options,
		Metadata: []string{"id", c.id, "fail", strconv.Itoa(c.fails), "delay", strconv.FormatInt(int64(c.delay), 10)},
	})
	if why := c.judge(res, time.Since(c.began)); why != "" {
		w.fault("%s: %v %.200q: %s", c, res.Code, res.Message, why)
	}
	if v, ok := w.runs.Load(c.id); ok && int(v.(*atomic.Int64).Load()) > c.tries {
		w.fault("%s: its handler ran %d times, at most %d were allowed", c, v.(*atomic.Int64).Load(), c.tries)
	}
	w.count(c.client.stack + " client: " + res.Code.String())
}

func (c *call) String() string {
	return fmt.Sprintf("call %s (%s client, %s server, %s, breaks %v, %d messages, fails %d of %d, delay %v, deadline %v, cancel %v)",
		c.id, c.client.stack, c.client.server, c.kind, c.client.breaks, len(c.messages), c.fails, c.tries, c.delay, c.deadline, c.cancel)
}

// before is how long before a call its connection may have broken without the client having seen
// it.
const before = 500 * time.Millisecond

// judge returns what is wrong with an outcome, or nothing.
func (c *call) judge(res pair.Response, took time.Duration) string {
	if c.foreignLoss(res) {
		return c.judgeParts(res)
	}
	switch res.Code {
	case codes.OK:
		return c.judgeOK(res)
	case codes.DeadlineExceeded:
		if c.deadline == 0 || took < c.deadline {
			return fmt.Sprintf("no deadline had passed after %v", took)
		}
	case codes.Canceled:
		if !c.canceled.Load() {
			return "it was not canceled"
		}
	case codes.Unavailable:
		if strings.Contains(res.Message, "injected for ") {
			return c.judgeInjected(res)
		}
		if !c.client.breaks || !c.client.brokeSince(c.began.Add(-before)) {
			return "no connection had broken"
		}
	default:
		return "nothing that was done to the call ends with that"
	}
	return c.judgeParts(res)
}

// foreignLoss reports whether a stream of grpc-go's client met the end of a connection and ended
// with OK too early, or with an error that holds nothing but EOF; some do not end at all. It does
// so with its own server as well, about once in ten thousand calls, so that it says nothing of
// naru.
func (c *call) foreignLoss(res pair.Response) bool {
	if c.client.stack == pair.Naru.Name || c.kind == pair.Unary || !c.client.brokeSince(c.began.Add(-before)) {
		return false
	}
	return res.Code == codes.OK && c.judgeOK(res) != "" || res.Code == codes.Unknown
}

func (c *call) judgeOK(res pair.Response) string {
	if c.fails >= c.tries {
		return "every attempt was to fail"
	}
	want := []string{strings.Join(c.messages, "")}
	if c.kind == pair.Bidi {
		want = c.messages
	}
	if !slices.Equal(res.Messages, want) {
		return fmt.Sprintf("%d messages that are not those that were sent", len(res.Messages))
	}
	for where, md := range map[string]map[string][]string{"header": res.Header, "trailer": res.Trailer} {
		if !slices.Equal(md["id"], []string{c.id}) {
			return fmt.Sprintf("the %s is that of call %q", where, md["id"])
		}
	}
	return ""
}

// judgeInjected is for the status that a handler was told to return. A call with attempts left may
// end with it as well: its budget of retries was used up, or a connection broke in between.
func (c *call) judgeInjected(res pair.Response) string {
	switch {
	case c.fails == 0:
		return "no failure was to be injected"
	case !strings.Contains(res.Message, "injected for "+c.id):
		return "it is the status of another call"
	case res.DetailBytes != 100:
		return fmt.Sprintf("details of %d bytes, want 100", res.DetailBytes)
	}
	return ""
}

// judgeParts checks what a stream received before it failed: the beginning of what was to come.
func (c *call) judgeParts(res pair.Response) string {
	if c.kind == pair.Bidi && (len(res.Messages) > len(c.messages) || !slices.Equal(res.Messages, c.messages[:len(res.Messages)])) {
		return "messages came that were not sent"
	}
	return ""
}
