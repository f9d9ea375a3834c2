package channel

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/encoding"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/status"
)

// side is a call of the channel's own that stays open on a connection: health watching (gRFC A17)
// or load reports (gRFC A51). It moves to the next connection when its own ends, and is made again,
// after a backoff, when it ends itself.
type side struct {
	// immutable
	sub    *subConn
	method string
	req    []byte
	// heard is called, as an event, with each message; ended with the error of each call, nil for
	// OK: it reports whether to call again.
	heard func(msg []byte)
	ended func(err error) (again bool)

	// owned by the event loop
	conn   *conn // it runs on, nil: on none
	cancel context.CancelFunc
}

// maxSideMessage bounds what a backend may send here. A load report has a few names and numbers.
const maxSideMessage = 64 << 10

// tend makes the side run on the given connection, nil: on none. Called by the event loop.
func (d *side) tend(c *conn) {
	if d.conn == c {
		return
	}
	d.stop()
	if c == nil {
		return
	}
	ctx, cancel := context.WithCancel(d.sub.ch.ctx)
	d.conn, d.cancel = c, cancel
	c.hold()
	d.sub.ch.wg.Go(func() {
		defer c.release()
		d.run(ctx, c)
	})
}

func (d *side) stop() {
	if d.conn != nil {
		d.cancel()
		d.conn = nil
	}
}

// run calls until ctx ends or ended has had enough. gRFC A17 and A51: with exponential backoff,
// which begins anew when a call has brought something.
func (d *side) run(ctx context.Context, c *conn) {
	for failures := 0; ; failures++ {
		err := d.once(ctx, c, func(msg []byte) {
			failures = 0
			d.event(ctx, func() { d.heard(msg) })
		})
		again := false
		d.event(ctx, func() { again = d.ended(err) })
		if !again {
			return
		}
		timer := time.NewTimer(d.sub.ch.cfg.Backoff.Delay(failures, rand.Float64()))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// event runs f unless the side has been stopped.
func (d *side) event(ctx context.Context, f func()) {
	d.sub.ch.loop.wait(func() {
		if ctx.Err() == nil {
			f()
		}
	})
}

// sideCodecs: the messages are a few bytes, read and written by hand.
var sideCodecs = func() *encoding.Registry {
	r, err := encoding.NewRegistry([]encoding.Codec{encoding.Proto()}, nil)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return r
}()

// once makes one call.
func (d *side) once(ctx context.Context, c *conn, heard func([]byte)) error {
	env := &client.Env{
		Channel:   client.SingleConn{Conn: c.t},
		Registry:  sideCodecs,
		Authority: d.sub.ch.authority,
		UserAgent: d.sub.ch.cfg.UserAgent,
	}
	set := &client.Settings{
		MaxReceiveBytes: maxSideMessage,
		MaxSendBytes:    -1,
		Credentials:     d.sub.ch.cfg.Credentials,
	}
	m := client.Method{FullMethod: d.method, ServerStreams: true}
	stream, err := client.NewStreamWith(ctx, env, m, set, encoding.RawMessage(d.req))
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		var msg encoding.RawMessage
		switch err := stream.RecvMsg(&msg); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		heard(msg)
	}
}

// unimplemented reports whether the backend does not know the method.
func unimplemented(err error) bool { return status.Code(err) == codes.Unimplemented }
