package server

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// Run runs the call to its end. The Dispatcher calls it once, on a goroutine that may block.
func (c *Call) Run() {
	if c.runner.Postpone(c) {
		return
	}
	returned := false
	defer func() {
		if !returned {
			// runtime.Goexit: a test's FailNow in a handler, most likely.
			c.finish(status.Error(codes.Internal, "the handler ended its goroutine"))
		}
		c.runner.Finished(c)
	}()
	err := c.serve()
	returned = true
	c.finish(err)
}

func (c *Call) serve() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.panicked(r)
		}
	}()
	if !c.begin() {
		return nil // reset while it waited: nobody wants the answer
	}
	c.seenBegun()
	if err := c.prepare(); err != nil {
		return err
	}
	if !c.deadline.IsZero() && c.Err() != nil {
		return wire.ContextStatus(c, "the call waited for its turn")
	}
	if c.env.Authenticate != nil {
		ctx, err := c.env.Authenticate(c)
		if err != nil {
			return err
		}
		if ctx != nil {
			c.ctx = ctx
		}
	}
	return c.method.Handle(c)
}

// begin notes that the call is being worked on. It returns false if its stream is gone.
func (c *Call) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveUnfinished()
	if c.closed != nil {
		return false
	}
	c.stage = callRuns
	return true
}

// Served implements transport.Served.
func (c *Call) Served() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stage >= callRuns
}

// WasAbandoned reports whether the stream went while the handler ran. For Dispatcher.Finished,
// after which it does not change.
func (c *Call) WasAbandoned() bool { return c.stage == callOutlived }

func (c *Call) gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed != nil
}

// panicked makes a status of a panic. The text of the panic stays here: it may hold anything.
func (c *Call) panicked(value any) error {
	stack := debug.Stack()
	if c.env.HandlePanic != nil {
		c.env.HandlePanic(c, value, stack)
	} else {
		c.Log(slog.LevelError, reason.HandlerPanicked, "naru: handler panicked", "panic", fmt.Sprint(value), "stack", string(stack))
	}
	return status.Error(codes.Internal, "the handler panicked")
}

// prepare reads what the head says of encodings.
func (c *Call) prepare() error {
	if c.early != nil {
		return c.early.Status().Err()
	}
	codec := c.codecFor()
	if codec == nil {
		c.earlyHTTP = 415
		return status.Errorf(codes.Unimplemented, "unknown content subtype %s", brief.Quote(c.subtype))
	}
	c.in = wire.Decoder{Codec: codec, Limit: c.receiveLimit(), Remote: true}
	c.out = wire.Encoder{Codec: codec, MinBytes: c.env.CompressMinBytes, Limit: c.sendLimit(), Remote: true}
	if c.seen != nil {
		c.in.Meter, c.out.Meter = c.seen, c.seen
	}
	accept := ""
	for i := range c.fields {
		switch f := &c.fields[i]; f.Name {
		case wire.FieldEncoding:
			c.in.Encoding = f.Value
		case wire.FieldAcceptEncoding:
			accept = f.Value
		default:
			if metadata.IsBinary(f.Name) {
				if _, err := wire.AppendDecoded(nil, f.Name, f.Value); err != nil {
					return status.New(codes.Internal, "malformed binary metadata: "+brief.Text(err.Error(), brief.Most)).WithCause(err).Err()
				}
			}
		}
	}
	if e := c.in.Encoding; e != "" && e != "identity" {
		if c.in.Decompressor = c.env.Registry.Compressor(e); c.in.Decompressor == nil {
			return c.refuseEncoding(e)
		}
		c.in.Expansion, c.in.ConnID, c.in.Ctx = &c.env.Expansion, c.conn.ID, c
	}
	c.chooseEncoding(accept)
	return nil
}

// refuseEncoding, compression.md: "If a client message is compressed by an algorithm that is not
// supported by a server, the message will result in an UNIMPLEMENTED error status on the server.
// The server will include a grpc-accept-encoding header in the response which specifies the
// algorithms that the server accepts."
func (c *Call) refuseEncoding(name string) error {
	accepted := c.env.Registry.AcceptEncoding()
	c.sendMu.Lock()
	c.extra = append(c.extra, wire.Field(wire.FieldAcceptEncoding, accepted))
	c.sendMu.Unlock()
	return status.Errorf(codes.Unimplemented, "grpc-encoding %s is not supported; accepted are: identity,%s", brief.Quote(name), accepted)
}

// chooseEncoding picks the encoding of responses: the server's own choice if the client accepts
// it, else the one the request came in, which the client evidently has.
func (c *Call) chooseEncoding(accept string) {
	if name := c.env.Compression; name != "" && wire.Accepts(accept, name) {
		c.setEncoding(name)
	} else if c.in.Decompressor != nil {
		c.setEncoding(c.in.Encoding)
	}
}

func (c *Call) setEncoding(name string) {
	c.encoding = name
	c.out.Compressor = c.env.Registry.Compressor(name)
}

// SetCompression changes how the messages that follow are sent: with the compressor of this name,
// or as they are ("" and "identity"). Once the header is sent, only the encoding it announced can
// be switched on and off. Not while another goroutine sends.
func (c *Call) SetCompression(name string) error {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.finished {
		return status.Error(codes.Internal, "set compression: the call has ended")
	}
	if name == "" || name == "identity" {
		c.out.Compressor = nil
		return nil
	}
	compressor := c.env.Registry.Compressor(name)
	if compressor == nil {
		return status.Errorf(codes.Internal, "set compression: no compressor %q is known to this server", name)
	}
	if c.headSent && (name != c.encoding || !c.announced) {
		return status.Errorf(codes.Internal, "set compression to %q: the header was sent and has not announced it", name)
	}
	c.encoding, c.out.Compressor = name, compressor
	return nil
}

// Context returns the handler's context.
func (c *Call) Context() context.Context { return c.ctx }

// Subtype returns the content subtype as the client sent it, "" once the call is over.
func (c *Call) Subtype() string {
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	if c.finished {
		return "" // the exchange may be another call's
	}
	return c.subtype
}

// AcceptedEncodings returns the names in the request's grpc-accept-encoding, in order.
func (c *Call) AcceptedEncodings() []string {
	var names []string
	for i := range c.fields {
		if c.fields[i].Name != wire.FieldAcceptEncoding {
			continue
		}
		for name := range strings.SplitSeq(c.fields[i].Value, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// SetContext makes ctx the handler's context. Only before the handler runs.
func (c *Call) SetContext(ctx context.Context) { c.ctx = ctx }

// SetHooks makes the call's messages be shown to h. Only before the handler runs.
func (c *Call) SetHooks(h *wire.Hooks) { c.in.Hooks, c.out.Hooks = h, h }
