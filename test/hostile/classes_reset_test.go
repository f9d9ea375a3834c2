package hostile

import (
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// Streams opened and ended faster than their work: RST_STREAM sent by the peer, and provoked.
var resetClasses = []class{
	{
		name:   "rapid reset of incomplete calls (CVE-2023-44487)",
		attack: func(p *peer) { p.repeat(func() { id := p.id(); p.headers(id, false, head(unary)); p.reset(id) }) },
		ends:   "reset_flood",
	},
	{
		name: "rapid reset of calls whose handlers run on (CVE-2023-44487)",
		attack: func(p *peer) {
			p.repeat(func() { p.reset(p.call(unary, stuck)) })
		},
		ends: "reset_flood",
	},
	{
		name: "rapid reset of streams (CVE-2023-44487)",
		attack: func(p *peer) {
			p.repeat(func() { id := p.id(); p.headers(id, false, head(bidi)); p.reset(id) })
		},
		ends: "reset_flood",
	},
	{
		name: "resets of streams that have ended (GHSA-hrxh-6v49-42gf)",
		attack: func(p *peer) {
			id := p.call(unary, message(nil))
			p.repeat(func() { p.reset(id) })
		},
		ends: "reset_flood",
	},
	provoked("WINDOW_UPDATE of zero", func(p *peer, id uint32) { p.raw(frame.TypeWindowUpdate, 0, id, make([]byte, 4)) }),
	provoked("WINDOW_UPDATE that overflows", func(p *peer, id uint32) { p.window(id, 1<<31-1) }),
	provoked("DATA after END_STREAM", func(p *peer, id uint32) { p.data(id, true, []byte("more")) }),
	provoked("HEADERS after END_STREAM", func(p *peer, id uint32) { p.headers(id, true, head(unary)) }),
	provoked("PRIORITY of a wrong length", func(p *peer, id uint32) { p.raw(frame.TypePriority, 0, id, make([]byte, 4)) }),
	provoked("PRIORITY on itself", func(p *peer, id uint32) {
		p.out = frame.AppendPriority(p.out, id, frame.Priority{DependsOn: id})
	}),
	{
		name:   "streams beyond the limit (CVE-2019-9514)",
		attack: func(p *peer) { p.repeat(func() { p.headers(p.id(), false, head(unary)) }) },
		ends:   "reset_caused_flood",
	},
	{
		name: "malformed heads (CVE-2019-9514)",
		attack: func(p *peer) {
			bad := append(head(unary), block("Upper", "case")...)
			p.repeat(func() { p.headers(p.id(), true, bad) })
		},
		ends: "reset_caused_flood",
	},
}

// provoked makes the server reset a stream whose handler runs on: MadeYouReset.
func provoked(how string, fault func(p *peer, id uint32)) class {
	return class{
		name:   "made you reset: " + how + " (CVE-2025-8671)",
		attack: func(p *peer) { p.repeat(func() { fault(p, p.call(unary, stuck)) }) },
		ends:   "reset_caused_flood",
	}
}
