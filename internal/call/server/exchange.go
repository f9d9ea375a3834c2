package server

import (
	"sync"

	"github.com/naru-rpc/naru/internal/call/observe"
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
	"github.com/naru-rpc/naru/internal/transport"
)

// An exchange is the part of a Call that only its receiving and sending need: more than half of it,
// and garbage that thousands of connections make the collector look for. A unary call gives it back
// when it is over.
type exchange struct {
	place link // guarded by Unfinished.mu

	// immutable after NewCall
	seen *observe.Call // nil: no stats handler wants to know

	// owned by the worker until it runs the handler, immutable after
	subtype   string        // content subtype as sent
	early     *wire.Problem // found in the head: the call fails with it
	earlyHTTP int           // HTTP status that goes with early; 0: 200
	in        wire.Decoder

	// guarded by Call.mu, but for the reader half of messages
	messages wire.Reassembler
	wake     chan struct{}

	// guarded by Call.sendMu; the one goroutine that sends may read out
	out      wire.Encoder
	encoding string   // grpc-encoding of the response, "": none
	reply    *mem.Buf // of methods with one response
	step     transport.Out
	head     transport.ResponseHead
	unsent   *transport.HeaderListError // the head was too large for the client: the call fails with it
	extra    []transport.Field          // fields of the head besides the usual ones
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func newExchange() *exchange { return exchanges.Get().(*exchange) }

// recycle gives the exchange of a unary call back. The call is over: the read loop drops what still
// comes, and whoever has the handler's context finds that the response is sent. finish found nobody
// receiving, and Reply looks at the exchange only while it has sendMu. A program has no hold on
// anything else.
func (c *Call) recycle() {
	x := c.exchange
	c.exchange = nil
	*x = exchange{}
	exchanges.Put(x)
	c.mu.Lock()
	delivered := c.delivered
	c.mu.Unlock()
	if delivered {
		stream := c.stream
		c.stream = nil
		stream.Release()
	}
}
