// Package held computes the bounds of docs/memory.md, for tests that hold a server to them.
package held

import (
	"github.com/naru-rpc/naru/internal/call/wire"
	"github.com/naru-rpc/naru/internal/mem"
)

// Limits are those of a server that decide about what it holds, in bytes but for Streams.
type Limits struct {
	ServerMemory, ReceiveMemory, StreamWindow, Message int64
	Streams                                            int64 // Limits.MaxConcurrentStreams

	exhausted bool
}

// Exhausted returns l for a process all of whose buffers together may be no further ahead of what
// has come: those of each stream alone are within the bound.
func (l Limits) Exhausted() Limits {
	l.exhausted = true
	return l
}

// Defaults are the limits of a server without options, but for ServerMemory: it has the least there
// is by default.
func Defaults() Limits {
	return Limits{ServerMemory: 64 << 20, ReceiveMemory: 16 << 20, StreamWindow: 1 << 20, Message: 4 << 20, Streams: 256}
}

// The parts of the formula that are no limits.
const (
	perStream = 64 << 10  // beside 1.25 x what is held
	perConn   = 256 << 10 // beside its streams
	ownWindow = 80 << 10  // of a stream, whatever others hold
	// A read loop takes so much before it looks at the server's limit.
	batch = 2 * 64 << 10
	// room is what a stream's own state may take, the header list aside.
	room = 12 << 10
)

// Connection is what the streams of one connection hold at most, of messages received.
func (l Limits) Connection() int64 {
	return l.Streams*min(l.StreamWindow, ownWindow) + 4*l.ReceiveMemory + l.Message
}

// Server is what a server holds at most with so many connections.
func (l Limits) Server(conns int64) int64 {
	return min(l.ServerMemory/10*11+conns*batch, conns*l.Connection())
}

// Expanded is what is expanded and not decoded yet at most.
func (l Limits) Expanded() int64 {
	return max(min(l.ServerMemory, wire.MostExpanded), l.Message)
}

// Peers are what connects to a server.
type Peers struct {
	Conns   int64
	Streams int64 // open at a time on each connection
	Sent    int64 // bytes of messages on each stream that are not taken by the program at a time
	Head    int64 // bytes of a stream's header list
}

// Memory is how much memory a server with such peers takes for them at most, beside what handlers
// hold and make.
func (l Limits) Memory(p Peers) int64 {
	return l.MemoryOf(l.Most(p), p)
}

// Most is how much the server holds at most with such peers.
func (l Limits) Most(p Peers) int64 {
	return min(p.Conns*min(p.Streams, l.Streams)*p.Sent, l.Server(p.Conns))
}

// MemoryOf is how much memory it takes to hold so many bytes of such peers.
func (l Limits) MemoryOf(held int64, p Peers) int64 {
	streams := p.Conns * min(p.Streams, l.Streams)
	// A buffer is at most four times what came; and at most 64 KiB or a quarter larger, once those
	// of the process are MostAhead larger.
	var ahead int64 = mem.MostAhead
	if l.exhausted {
		ahead = 0
	}
	bytes := held + min(3*held, held/4+streams*perStream+ahead)
	return bytes + streams*(room+p.Head) + p.Conns*perConn
}
