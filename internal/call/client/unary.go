package client

import (
	"context"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/status"
)

// unary is a call with one message each way. It is recycled when its attempt's sink has seen the
// end of the stream, after which the transport does not know it any more.
type unary struct {
	call
	req, res any
	attempt  *attempt
	encoded  *mem.Buf                 // a copy for further attempts; nil: req is encoded anew
	again    func() (*mem.Buf, error) // u.body, bound once
	counted  bool                     // the request was encoded
}

func (env *Env) newUnary() *unary {
	if u, ok := env.unaries.Get().(*unary); ok {
		return u
	}
	u := &unary{attempt: new(attempt)}
	u.again = u.body
	return u
}

// Invoke makes a unary call: sends req, receives into res. The error is a status error, nil for OK.
// set is copied.
func Invoke(ctx context.Context, env *Env, m Method, set *Settings, req, res any) error {
	u := env.newUnary()
	u.env, u.method, u.set, u.ctx, u.req, u.res = env, m, *set, ctx, req, res
	u.observeBegin()
	err := u.run()
	if err != nil {
		env.Counters.failed(err, u.last, !u.deadline.IsZero())
	}
	u.observeEnd(u.last, err)
	u.recycle()
	return err
}

// recycle drops what belongs to the caller, and keeps the rest for another call if it may.
func (u *unary) recycle() {
	u.encoded.Free()
	u.encoded = nil
	if !u.attempt.free() {
		return // a callback may be on its way still
	}
	if u.attempt.sending.stream != nil {
		u.attempt.sending.stream.Release()
	}
	timer, pool := u.timer, &u.env.unaries
	u.call = call{timer: timer}
	u.req, u.res, u.counted = nil, nil, false
	u.attempt.reset(wire.Limit{})
	pool.Put(u)
}

// body encodes the request. Messages that hooks have seen are not shown to them again.
func (u *unary) body() (*mem.Buf, error) {
	switch {
	case u.encoded != nil:
		return clone(u.encoded), nil
	case u.counted:
		return u.out.EncodeAgain(u.req)
	}
	u.counted = true
	buf, err := u.out.Encode(u.req)
	if err == nil && u.out.Hooks != nil {
		u.encoded = clone(buf)
	}
	return buf, err
}

func (u *unary) run() error {
	if err := u.prepare(); err != nil {
		return err
	}
	if h := u.hedgingPolicy(); h != nil {
		return u.runHedged(h)
	}
	for {
		pause, again, err := u.try()
		if !again {
			return u.withAttempts(err)
		}
		if ended := u.pauseFor(pause, err); ended != nil {
			return u.withAttempts(ended)
		}
	}
}

// try makes one attempt. again: there is to be another, after a pause.
func (u *unary) try() (pause time.Duration, again bool, err error) {
	body, err := u.body()
	if err != nil {
		return 0, false, err
	}
	if !u.attempt.free() {
		u.attempt = new(attempt)
	}
	a := u.attempt
	u.last = a
	a.reset(u.maxReceive)
	a.single = true
	a.seen = u.seen.BeginAttempt(u.pick.Waited)
	done, err := u.open(a, body, true, u.again)
	if err != nil {
		return 0, false, err
	}
	stop := u.limitAttempt(a)
	err = u.finish(a)
	a.late = !stop()
	if err == nil {
		u.throttle().Success()
	} else {
		pause, again = u.call.again(a, u.conn, err)
	}
	u.attemptEnded(a, err)
	if done != nil {
		done(DoneInfo{Err: err, Sent: true, Received: a.stage.headSeen(), Trailers: a.trailers})
	}
	a.release()
	return pause, again, err
}

// finish waits for the response and takes it apart.
func (u *unary) finish(a *attempt) error {
	ended, err := u.await(a)
	if err == nil {
		if !ended {
			a.cancel(reason.ResponseWrong)
		}
		err = u.result(a)
	}
	u.export(a)
	return err
}

// result is the status error of a complete attempt; for OK the response is decoded.
func (u *unary) result(a *attempt) error {
	if s := u.explain(a, a.outcome(u.set.Subtype)); s != nil {
		return s.Err()
	}
	switch n := a.messages.Messages(); {
	case n == 0:
		return status.Error(codes.Unimplemented, "server sent no message to a call that has one response")
	case n > 1:
		return status.Error(codes.Unimplemented, "server sent more than one message to a call that has one response")
	}
	if s := a.prepareInbound(u.ctx, u.env, &u.out, u.maxReceive); s != nil {
		return s.Err()
	}
	a.messages.Refill(a.messages.Take())
	f, _ := a.messages.Next()
	return a.in.Decode(f, u.res)
}

// explain is the status of a call whose attempt ended with s, nil for OK. The client's deadline
// decides: what comes after it may have been cut by the server's, which ends in good order where a
// handler returns when its context ends. Of a lost connection it says more.
func (c *call) explain(a *attempt, s *status.Status) *status.Status {
	if !c.deadline.IsZero() && a.interest != expired && !time.Now().Before(c.deadline) {
		doing := "the response ended after that"
		if s != nil {
			doing = "the server ended the call with " + s.Code().String() + ": " + s.Message()
		}
		return status.Convert(c.timeUp(doing))
	}
	if s == nil {
		return nil
	}
	return c.report(s, a)
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
