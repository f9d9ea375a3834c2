package call

import (
	"context"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/status"
)

// unary is a call with one message each way. It is recycled when its attempt's sink has seen the
// end of the stream, after which the transport does not know it any more.
type unary struct {
	clientCall
	req, res any
	attempt  *attempt
	again    func() (*mem.Buf, error) // u.body, bound once
}

func (env *ClientEnv) newUnary() *unary {
	if u, ok := env.unaries.Get().(*unary); ok {
		return u
	}
	u := &unary{attempt: new(attempt)}
	u.again = u.body
	return u
}

// Invoke makes a unary call: sends req, receives into res. The error is a status error, nil for OK.
// set is copied.
func Invoke(ctx context.Context, env *ClientEnv, m ClientMethod, set *Settings, req, res any) error {
	u := env.newUnary()
	u.env, u.method, u.set, u.ctx, u.req, u.res = env, m, *set, ctx, req, res
	err := u.run()
	u.recycle()
	return err
}

// recycle drops what belongs to the caller, and keeps the rest for another call if it may.
func (u *unary) recycle() {
	u.attempt.mu.Lock()
	free := u.attempt.ended || u.attempt.stream == nil
	u.attempt.mu.Unlock()
	if !free {
		return // a callback may be on its way still
	}
	timer, pool := u.timer, &u.env.unaries
	u.clientCall = clientCall{timer: timer}
	u.req, u.res = nil, nil
	u.attempt.reset(0)
	pool.Put(u)
}

func (u *unary) body() (*mem.Buf, error) { return u.out.encode(u.req) }

func (u *unary) run() error {
	if err := u.prepare(); err != nil {
		return err
	}
	for {
		err, again := u.try()
		if !again {
			return err
		}
	}
}

// try makes one attempt. again: it failed in a way that another may not.
func (u *unary) try() (err error, again bool) {
	body, err := u.body()
	if err != nil {
		return err, false
	}
	a := u.attempt
	a.reset(u.maxReceive)
	a.single = true
	done, err := u.open(a, body, true, u.again)
	if err != nil {
		return err, false
	}
	u.sent = time.Now()
	a.mu.Lock()
	err = u.awaitLocked(a)
	ended := a.ended
	a.mu.Unlock()
	if err == nil {
		if !ended {
			a.cancel("response_wrong")
		}
		err = u.result(a)
	}
	u.export(a)
	again = err != nil && u.repeat(a)
	if done != nil {
		done(DoneInfo{Err: err, Sent: true, Received: a.headSeen, Trailers: a.trailers})
	}
	a.release()
	return err, again
}

// result is the status error of a complete attempt; for OK the response is decoded.
func (u *unary) result(a *attempt) error {
	if s := a.outcome(u.set.Subtype); s != nil {
		return u.explain(s).Err()
	}
	switch n := a.box.count; {
	case n == 0:
		return status.Error(codes.Unimplemented, "server sent no message to a call that has one response")
	case n > 1:
		return status.Error(codes.Unimplemented, "server sent more than one message to a call that has one response")
	}
	if s := a.prepareInbound(u.env, &u.out, u.maxReceive); s != nil {
		return s.Err()
	}
	a.box.refill(a.box.take())
	f, _ := a.box.next()
	return a.in.unmarshal(f, u.res)
}

// explain corrects the status of a peer's reset that is only the echo of the deadline.
func (c *clientCall) explain(s *status.Status) *status.Status {
	if s.Code() == codes.Canceled && !c.deadline.IsZero() && !time.Now().Before(c.deadline) {
		return status.Convert(c.timeUp(s.Message()))
	}
	return s
}

// export hands out header and trailer to those who asked.
func (u *unary) export(a *attempt) {
	if u.set.Header != nil {
		*u.set.Header = a.headerMD()
	}
	if u.set.Trailer != nil {
		*u.set.Trailer = a.trailerMD()
	}
}

// repeat decides on a transparent retry, gRFC A6: without limit if the request never left, once if
// a peer refused it unseen.
func (c *clientCall) repeat(a *attempt) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed == nil || !a.closed.Unprocessed {
		return false
	}
	c.refused++
	return c.refused <= 1
}
