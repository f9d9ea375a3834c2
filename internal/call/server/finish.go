package server

import (
	"errors"
	"log/slog"
	"math"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// finish ends the call with the status of err. What nobody has received or sent is freed.
func (c *Call) finish(err error) {
	c.sendMu.Lock()
	first := !c.finished
	if first {
		c.finished = true
		err = c.finishLocked(err)
	}
	c.sendMu.Unlock()
	if first {
		c.seenEnded(err)
	}
	c.end(nil)
	if received := c.release(); received && !c.method.ClientStreams && !c.method.ServerStreams {
		c.recycle()
	}
}

func (c *Call) finishLocked(err error) error {
	reply := c.reply
	c.reply = nil
	if err == nil && reply == nil && !c.method.ServerStreams {
		err = status.Error(codes.Internal, "the handler returned no message")
	}
	if err == nil && !c.deadline.IsZero() && c.Err() != nil {
		// A handler that waits for its context and returns nil has not done what it was asked for:
		// OK would say that the response is all there is.
		err = wire.ContextStatus(c, "the handler returned when the call's time was up")
	}
	if err == nil && c.unsent != nil {
		err = tooLargeToSend(c.unsent)
	}
	if err == nil {
		c.sendOK(reply)
		if c.unsent != nil {
			return tooLargeToSend(c.unsent)
		}
		return nil
	}
	reply.Free()
	s := c.shedStatus()
	if s == nil {
		s = c.handlerStatus(err)
	}
	c.sendStatus(s)
	return s.Err()
}

func (c *Call) sendOK(reply *mem.Buf) {
	if reply != nil {
		c.answered = int32(min(len(reply.B), math.MaxInt32))
	}
	c.step = transport.Out{Body: reply, End: true, Trailers: okTrailers, Deadline: c.deadline}
	if len(c.trailer) > 0 {
		c.step.Trailers = wire.AppendMetadata(append([]transport.Field(nil), okTrailers...), c.trailer)
	}
	if !c.headSent {
		c.step.Head = c.headLocked(reply != nil && reply.B[0] == 1)
	}
	err := c.stream.Send(&c.step)
	c.step = transport.Out{}
	if large, ok := errors.AsType[*transport.HeaderListError](err); ok {
		// Not OK without it: the program at the other end may rely on what it does not get.
		c.unsent, c.header, c.trailer = large, nil, nil
		c.sendStatus(status.Convert(tooLargeToSend(large)))
	}
	// Any other error: the stream is over, and nobody waits for its end.
}

// sendStatus ends the stream with a status that is not OK.
func (c *Call) sendStatus(s *status.Status) {
	if push := c.pushback(); push != nil && s.Code() == codes.ResourceExhausted {
		c.trailer = metadata.Join(c.trailer, push)
	}
	f := final{status: s, header: c.header, trailer: c.trailer, headSent: c.headSent, excess: c.unsent, deadline: c.deadline}
	if !c.headSent {
		f.head = c.bareHead(false, 0)
	}
	f.send(c.stream)
	if f.excess != nil {
		c.reportLarge(f.excess)
	}
}

// tooLargeToSend is the status error of a call whose response the client does not accept.
func tooLargeToSend(large *transport.HeaderListError) error {
	return status.New(codes.ResourceExhausted, "the server could not send its response: "+large.Error()).WithCause(large).Err()
}

// reportLarge counts a response the client did not accept as it was, and logs it now and then.
func (c *Call) reportLarge(large *transport.HeaderListError) {
	c.runner.Problem(reason.PeerHeaderList)
	if c.env.Notices != nil {
		c.log(c.env.Notices, slog.LevelWarn, reason.PeerHeaderList, "naru: a response's header section was larger than its client accepts",
			"section", string(large.Section), "bytes", large.Size, "limit", large.Limit)
	}
}
