package hostile

import (
	"strings"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/test/bench/benchpb"
)

// The victim's memory limit is 250 MB, so it holds 64 MiB at most (a quarter, and at least that), 1.25 times as much with
// the room in buffers, and 64 KiB for each stream and 256 KiB for each connection: docs/memory.md.
const (
	serverMemory  = 64 << 20
	halfSentLimit = serverMemory*5/4 + 250*hostiles*(64<<10) + hostiles*(256<<10)
	// What 2,500 handlers that were asked for 1 MiB each make at the same time is the program's: as many as there
	// are processors do, and then wait for their turn to send.
	answersLimit = serverMemory*5/4 + 160<<20
)

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
		ends: "head_memory",
		attack: func(p *peer) {
			b := head(bidi, "x-long", strings.Repeat("v", 15<<10))
			for range 256 {
				p.headers(p.id(), false, b)
			}
			p.hold()
		},
	},
	{
		name: "messages half sent on every stream", heap: halfSentLimit,
		attack: func(p *peer) { half(p, 256, 1<<20, 65535) },
	},
	{
		name:   "claims of the largest message on every stream",
		attack: func(p *peer) { half(p, 256, 4<<20, 10) },
	},
	{
		// 2,500 handlers that wait take 7 MB themselves.
		name: "messages half sent to streams nobody reads", heap: halfSentLimit,
		attack: func(p *peer) { unread(p, 250, message(&benchpb.Message{Payload: make([]byte, 4000)}), 16) },
	},
	{
		name: "one-byte messages to streams nobody reads", heap: halfSentLimit,
		attack: func(p *peer) { unread(p, 250, message(&benchpb.Message{Id: 1}), 9000) },
	},
	{
		// The largest message the server takes, from ten clients at once.
		name:   "largest messages all but complete, one a connection",
		attack: func(p *peer) { half(p, 1, 4<<20-1000, 4<<20-2000) },
	},
	{
		name: "large answers, windows held at zero", heap: answersLimit,
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 0}},
		attack: func(p *peer) {
			for range 1000 {
				p.call(unary, large(1<<20))
			}
			p.hold()
		},
	},
	{
		name: "large answers to peers that do not read", deaf: true, heap: answersLimit,
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 1<<31 - 1}},
		attack: func(p *peer) {
			p.window(0, 1<<30)
			for range 250 {
				p.call(unary, large(1<<20))
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
		// Each of the 2,500 streams holds a message that came, one that goes, and some of the next, and its handler one more.
		name: "echo streams that are not read", heap: halfSentLimit,
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

// trickle sends b in frames and waits for windows: a peer that kept no account would be sent away.
func (p *peer) trickle(id uint32, b []byte) {
	for len(b) > 0 && !p.over() {
		n := p.credit.take(p.stop, id, min(len(b), 1<<14))
		p.data(id, false, b[:n])
		b = b[n:]
		p.send()
	}
}
