package hostile

import (
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/test/bench/benchpb"
	"github.com/naru-rpc/naru/test/internal/held"
)

// limits are the victim's: it holds 64 MiB at most, as by default with 256 MB of memory or less.
var terms = held.Defaults()

// largeAnswer is what peers ask for that want much to wait for them.
const largeAnswer = 1 << 20

// What handlers hold is the program's: one whose handlers make large answers bounds how many run.
// Each has an answer and the buffer it is encoded into.
const (
	mostHandlers = 32
	handlersMake = mostHandlers * 2 * largeAnswer
)

var fewHandlers = naru.WithLimits(limits.Limits{ServerMemory: int(terms.ServerMemory), Handlers: mostHandlers})

// Peers that make the server keep things: what they have sent in part, and what they do not fetch.
var memoryClasses = []class{
	{
		name: "calls opened and left",
		attack: func(p *peer) {
			for range 256 {
				p.headers(p.id(), false, head(unary))
			}
			p.hold()
		},
	},
	{
		name: "streams opened and left, with large heads",
		ends: "head_memory", hold: hold{head: 16 << 10},
		attack: func(p *peer) {
			b := head(bidi, "x-long", strings.Repeat("v", 15<<10))
			for range 256 {
				p.headers(p.id(), false, b)
			}
			p.hold()
		},
	},
	{
		name: "messages half sent on every stream", hold: hold{sent: 65535},
		attack: func(p *peer) { half(p, 256, 1<<20, 65535) },
	},
	{
		name: "claims of the largest message on every stream", hold: hold{sent: 10},
		attack: func(p *peer) { half(p, 256, 4<<20, 10) },
	},
	{
		name: "messages half sent to streams nobody reads", hold: hold{sent: 65535},
		attack: func(p *peer) { unread(p, 250, message(&benchpb.Message{Payload: make([]byte, 4000)}), 16) },
	},
	{
		name: "one-byte messages to streams nobody reads", hold: hold{sent: 65535},
		attack: func(p *peer) { unread(p, 250, message(&benchpb.Message{Id: 1}), 9000) },
	},
	{
		// The largest message the server takes, from ten clients at once.
		name: "largest messages all but complete, one a connection", hold: hold{streams: 1, sent: 4 << 20},
		attack: func(p *peer) { half(p, 1, 4<<20-1000, 4<<20-2000) },
	},
	{
		name: "large answers, windows held at zero", hold: hold{sent: largeAnswer, made: handlersMake},
		opts:     []naru.ServerOption{fewHandlers},
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 0}},
		attack: func(p *peer) {
			for range 1000 {
				p.call(unary, large(largeAnswer))
			}
			p.hold()
		},
	},
	{
		name: "large answers to peers that do not read", deaf: true, hold: hold{sent: largeAnswer, made: handlersMake},
		opts:     []naru.ServerOption{fewHandlers},
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 1<<31 - 1}},
		attack: func(p *peer) {
			p.window(0, 1<<30)
			for range 250 {
				p.call(unary, large(largeAnswer))
			}
			p.hold()
		},
	},
	{
		name:     "small answers, windows held at zero",
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 0}},
		attack: func(p *peer) {
			p.repeat(func() { p.call(unary, large(100)) })
		},
	},
	{
		// Each of the 2,500 streams holds a message that goes and most of one that came, and its
		// handler has one more.
		name: "echo streams that are not read", hold: hold{sent: 60_000, made: hostiles * 250 * 30_000},
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 0}},
		attack: func(p *peer) {
			m := message(&benchpb.Message{Payload: make([]byte, 30_000)})
			for range 250 {
				id := p.id()
				p.headers(id, false, head(bidi))
				for range 2 {
					p.trickle(id, m)
				}
			}
			p.hold()
		},
	},
}

// half sends the first sent bytes of a message that claims to be longer, on many streams, as far
// as the windows let it.
func half(p *peer, streams, claim, sent int) {
	part := prefixed(0, claim, make([]byte, sent-5))
	for range streams {
		id := p.id()
		p.headers(id, false, head(unary))
		p.trickle(id, part)
	}
	p.hold()
}

// unread fills streams whose handlers do not receive.
func unread(p *peer, streams int, m []byte, times int) {
	all := append(message(&benchpb.Message{Message: "deaf"}), []byte(strings.Repeat(string(m), times))...)
	for range streams {
		id := p.id()
		p.headers(id, false, head(bidi))
		p.trickle(id, all[:min(len(all), 65535)])
	}
	p.hold()
}

// trickle sends b in frames and waits for windows, until the stream is over: a peer that kept no
// account would be sent away.
func (p *peer) trickle(id uint32, b []byte) {
	for len(b) > 0 && !p.over() {
		n := p.credit.take(p.stop, id, min(len(b), 1<<14))
		if n == 0 {
			return // the stream is over
		}
		p.data(id, false, b[:n])
		b = b[n:]
		p.send()
	}
}
