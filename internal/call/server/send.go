package server

import (
	"errors"
	"log/slog"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// SetHeader adds md to the response's header, which is sent with the first message or SendHeader.
// It fails once that has happened, and for metadata that may not be sent.
func (c *Call) SetHeader(md metadata.MD) error {
	if err := md.Validate(); err != nil {
		return status.New(codes.Internal, err.Error()).WithCause(err).Err()
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.headSent || c.finished {
		return status.Error(codes.Internal, "set header: the header has been sent")
	}
	c.header = metadata.Join(c.header, md)
	return nil
}

// SendHeader sends the header now, with md added.
func (c *Call) SendHeader(md metadata.MD) error {
	if err := c.SetHeader(md); err != nil {
		return err
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.headSent || c.finished {
		return status.Error(codes.Internal, "send header: the header has been sent")
	}
	if c.unsent != nil {
		return tooLargeToSend(c.unsent)
	}
	c.step = transport.Out{Head: c.headLocked(c.out.Compressor != nil)}
	return c.sendLocked()
}

// AddTrailer adds md to the response's trailer, or returns why it may not be sent.
func (c *Call) AddTrailer(md metadata.MD) error {
	if err := md.Validate(); err != nil {
		return status.New(codes.Internal, err.Error()).WithCause(err).Err()
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.finished {
		return status.Error(codes.Internal, "set trailer: the call has ended")
	}
	c.trailer = metadata.Join(c.trailer, md)
	return nil
}

// SetTrailer is AddTrailer for streams. Programs that come from grpc-go do not expect an error, so
// that it is logged as well.
func (c *Call) SetTrailer(md metadata.MD) error {
	err := c.AddTrailer(md)
	if err != nil {
		c.Log(slog.LevelWarn, reason.Trailer, "naru: trailer left out", "error", err)
	}
	return err
}

// SendMsg sends a message, after the header if that is still to be sent. It waits while the client
// is slow. It does not keep m. One goroutine at a time; one may receive meanwhile.
func (c *Call) SendMsg(m any) error {
	if !c.method.ServerStreams {
		return c.Reply(m)
	}
	if err := c.awaitSend(); err != nil {
		return err
	}
	buf, err := c.out.Encode(m)
	if err != nil {
		return err
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.finished {
		buf.Free()
		return status.Error(codes.Canceled, "send: the handler has returned")
	}
	if c.unsent != nil {
		buf.Free()
		return tooLargeToSend(c.unsent)
	}
	c.step = transport.Out{Body: buf}
	if !c.headSent {
		c.step.Head = c.headLocked(c.out.Compressor != nil)
	}
	return c.sendLocked()
}

// closedChan is done before anything has begun: with it, AwaitSend asks without waiting.
var closedChan = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

// awaitSend waits until the transport can take another message. It asks first, since a channel
// that ends the wait costs a context.
func (c *Call) awaitSend() error {
	err := c.stream.AwaitSend(closedChan)
	if err == transport.ErrAwaitDone {
		err = c.stream.AwaitSend(c.Done())
	}
	if err == nil {
		return nil
	}
	return c.sendError(err)
}

func (c *Call) sendError(err error) error {
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed != nil {
		return transportStatus(closed).Err()
	}
	if c.Err() != nil {
		return wire.ContextStatus(c, "send")
	}
	return status.New(codes.Canceled, "send: "+err.Error()).WithCause(err).Err()
}

// Reply keeps the one response of a method that has one; finish sends it with the status.
func (c *Call) Reply(m any) error { return c.keepReply(m, false) }

// SetReply is Reply for an interceptor: m takes the place of a response that was kept before.
func (c *Call) SetReply(m any) error { return c.keepReply(m, true) }

func (c *Call) keepReply(m any, replace bool) error {
	c.sendMu.Lock()
	if c.finished {
		c.sendMu.Unlock()
		return status.Error(codes.Canceled, "reply: the call has ended")
	}
	out := c.out // the exchange may be another call's when the message is encoded, see recycle
	c.sendMu.Unlock()
	if h := out.Hooks; h != nil && h.Reply != nil && !replace {
		h.Reply(m)
	}
	buf, err := out.Encode(m)
	if err != nil {
		return err
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.finished || c.reply != nil && !replace {
		buf.Free()
		return status.Error(codes.Internal, "reply: the response has been given")
	}
	c.reply.Free()
	c.reply = buf
	return nil
}

// sendLocked sends c.step, which does not end the stream.
func (c *Call) sendLocked() error {
	head := c.step.Head != nil
	err := c.stream.Send(&c.step)
	c.step = transport.Out{}
	if err == nil {
		c.headSent = c.headSent || head
		return nil
	}
	if large, ok := errors.AsType[*transport.HeaderListError](err); ok {
		// Without its head the response has no messages. The call can only fail now, and does
		// even if the handler does not look at this error.
		c.unsent, c.header = large, nil
		return tooLargeToSend(large)
	}
	return c.sendError(err)
}

// headLocked returns the response head. compressed: messages may be.
func (c *Call) headLocked(compressed bool) *transport.ResponseHead {
	if len(c.header) == 0 && !compressed && len(c.extra) == 0 && c.earlyHTTP == 0 {
		if h := heads[c.subtype]; h != nil {
			return h
		}
	}
	c.head = c.bareHead(compressed, len(c.header))
	if compressed {
		c.announced = true
	}
	c.head.Fields = wire.AppendMetadata(c.head.Fields, c.header)
	return &c.head
}

// bareHead is the response head without metadata, with room for that many more fields.
func (c *Call) bareHead(compressed bool, more int) transport.ResponseHead {
	fields := append(make([]transport.Field, 0, 4+more+len(c.extra)), wire.Field(wire.FieldContentType, wire.ContentType(c.subtype)))
	fields = append(fields, c.extra...)
	if compressed {
		fields = append(fields, wire.Field(wire.FieldEncoding, c.encoding))
	}
	return transport.ResponseHead{Status: max(c.earlyHTTP, 200), Fields: fields}
}

// Header returns a copy of what was set as the response's header.
func (c *Call) Header() metadata.MD {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	return c.header.Copy()
}

// Trailer returns a copy of what was set as the response's trailer.
func (c *Call) Trailer() metadata.MD {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	return c.trailer.Copy()
}
