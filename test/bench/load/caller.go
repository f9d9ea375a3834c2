package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/bench/echo"
)

// maxErrors stops a caller whose every call fails.
const maxErrors = 100

// A tally is what one caller counted. Owned by that caller until run.add.
type tally struct {
	hist     Histogram
	calls    uint64
	errors   uint64
	firstErr error
	beside   uint64 // messages of the stream beside
}

func (t *tally) fail(err error) {
	t.errors++
	if t.firstErr == nil {
		t.firstErr = err
	}
}

// count counts work if it lies in the window.
func (r *run) count(t *tally, begin, end time.Duration) {
	if begin >= r.start && end <= r.end {
		t.calls++
		t.hist.Record(end - begin)
		r.counted()
	}
}

// countMessage counts one that has just been sent or received, if that was in the window.
func (r *run) countMessage(t *tally) (now time.Duration, counted bool) {
	now = r.now()
	if counted = now >= r.start && now <= r.end; counted {
		t.calls++
		r.counted()
	}
	return now, counted
}

// counted ends the run when there are enough calls.
func (r *run) counted() {
	if r.cfg.Calls > 0 && r.done.Add(1) == int64(r.cfg.Calls) {
		r.enough()
	}
}

// caller does the mode's work as caller number i.
func (r *run) caller(ctx context.Context, i int) {
	t := new(tally)
	defer r.add(t)
	var own []echo.Client // the connections this caller goes round
	for j := i; j < len(r.clients); j += r.cfg.Callers {
		own = append(own, r.clients[j])
	}
	if len(own) == 0 {
		own = []echo.Client{r.clients[i%len(r.clients)]}
	}
	var err error
	switch r.cfg.Mode {
	case Unary:
		err = r.unary(ctx, t, own)
	case PingPong:
		err = r.pingPong(ctx, t, own[0])
	case Pipe:
		err = r.pipe(ctx, t, own[0])
	case Server:
		err = r.server(ctx, t, own[0])
	case Client:
		err = r.client(ctx, t, own[0])
	case Idle:
		<-ctx.Done()
	}
	if err != nil {
		t.fail(err)
	}
}

func (r *run) request() *benchpb.Message {
	return &benchpb.Message{Message: "hello", Payload: r.payload}
}

// answered checks an echo. The bytes are the stacks' own tests' matter; a wrong size would
// make the figures a lie.
func (r *run) answered(res *benchpb.Message) error {
	if len(res.GetPayload()) != r.cfg.Size {
		return fmt.Errorf("answer has %d payload bytes, want %d", len(res.GetPayload()), r.cfg.Size)
	}
	return nil
}

// loop calls op until the window ends, at once or whenever a call is due.
func (r *run) loop(ctx context.Context, t *tally, op func() error) {
	for t.errors < maxErrors {
		var begin time.Duration
		if r.due == nil {
			begin = r.now()
		} else {
			due, ok := <-r.due
			if !ok {
				return
			}
			begin = due
		}
		if r.over(ctx) {
			return
		}
		err := op()
		switch end := r.now(); {
		case err == nil:
			r.count(t, begin, end)
		case r.over(ctx):
			return
		default:
			t.fail(err)
		}
	}
}

func (r *run) unary(ctx context.Context, t *tally, own []echo.Client) error {
	req, next := r.request(), 0
	r.loop(ctx, t, func() error {
		c := own[next]
		if next++; next == len(own) {
			next = 0
		}
		// Not ctx: its end is the run's, and calls are to be ended by their answer.
		callCtx, cancel := r.cfg.CallContext, context.CancelFunc(nil)
		if r.cfg.CallTimeout > 0 {
			callCtx, cancel = context.WithTimeout(callCtx, r.cfg.CallTimeout)
			defer cancel()
		}
		res, err := c.Unary(callCtx, req)
		if err != nil {
			return err
		}
		return r.answered(res)
	})
	return nil
}

func (r *run) pingPong(ctx context.Context, t *tally, c echo.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Bidi(ctx)
	if err != nil {
		return r.unlessOver(ctx, err)
	}
	req := r.request()
	var broken error
	r.loop(ctx, t, func() error {
		if broken = stream.Send(req); broken != nil {
			return broken
		}
		var res *benchpb.Message
		if res, broken = stream.Recv(); broken != nil {
			return broken
		}
		return r.answered(res)
	})
	return nil
}

// pipe sends on one goroutine and receives on another, Depth messages ahead at most. A
// message's id is its time of sending.
func (r *run) pipe(ctx context.Context, t *tally, c echo.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.Bidi(ctx)
	if err != nil {
		return r.unlessOver(ctx, err)
	}
	sender := make(chan struct{})             // closed by the sender when it has ended
	ahead := make(chan struct{}, r.cfg.Depth) // one token per unanswered message
	go func() {
		defer close(sender)
		req := r.request()
		for !r.over(ctx) {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				return
			}
			req.Id = int64(r.now())
			if stream.Send(req) != nil {
				break // Recv has the reason
			}
		}
		_ = stream.CloseSend()
	}()
	for {
		res, err := stream.Recv()
		if err == nil {
			err = r.answered(res)
		}
		if err != nil {
			cancel()
			<-sender
			return r.unlessOver(ctx, err)
		}
		<-ahead
		// Many are under way at once, some since before the window: an arrival is what counts.
		if now, counted := r.countMessage(t); counted {
			t.hist.Record(now - time.Duration(res.GetId()))
		}
	}
}

func (r *run) server(ctx context.Context, t *tally, c echo.Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.ServerStream(ctx, r.request())
	if err != nil {
		return r.unlessOver(ctx, err)
	}
	for !r.over(ctx) {
		res, err := stream.Recv()
		if err == nil {
			err = r.answered(res)
		}
		if err != nil {
			return r.unlessOver(ctx, err)
		}
		r.countMessage(t)
	}
	return nil
}

func (r *run) client(ctx context.Context, t *tally, c echo.Client) error {
	// Not the run's context: the server's count is wanted after the end.
	stream, err := c.ClientStream(context.Background())
	if err != nil {
		return err
	}
	req := r.request()
	sent := int64(0)
	for !r.over(ctx) {
		if err := stream.Send(req); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		sent++
		r.countMessage(t)
	}
	res, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	if res.GetId() != sent {
		return fmt.Errorf("server counted %d messages, %d were sent", res.GetId(), sent)
	}
	return nil
}

// beside keeps large streams running on c, one after another.
func (r *run) beside(ctx context.Context, c echo.Client) {
	t := new(tally)
	defer r.add(t)
	req := &benchpb.Message{Payload: fill(r.cfg.Beside), Id: 100}
	for !r.over(ctx) {
		stream, err := c.ServerStream(ctx, req)
		for err == nil {
			if _, err = stream.Recv(); err == nil && r.now() >= r.start && r.now() <= r.end {
				t.beside++
			}
		}
		if !errors.Is(err, io.EOF) && !r.over(ctx) {
			t.fail(fmt.Errorf("stream beside: %w", err))
			return
		}
	}
}

func (r *run) unlessOver(ctx context.Context, err error) error {
	if r.over(ctx) {
		return nil
	}
	return err
}
