package hostile

import (
	"net/http"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/limits"
)

// Peers that begin something and do not go on. Limits are short, so that they are met within the
// attack.
var slowClasses = []class{
	{
		name: "nothing at all", raw: true,
		opts:   []naru.ServerOption{hasty},
		attack: func(p *peer) { p.hold() },
		ends:   "preface",
	},
	{
		name: "half a preface", raw: true,
		opts:   []naru.ServerOption{hasty},
		attack: func(p *peer) { p.out = append(p.out, h2.Preface[:10]...); p.hold() },
		ends:   "preface",
	},
	{
		name: "a preface without SETTINGS", raw: true,
		opts:   []naru.ServerOption{hasty},
		attack: func(p *peer) { p.out = append(p.out, h2.Preface...); p.hold() },
		ends:   "read_timeout",
	},
	{
		name: "a TLS handshake that stops", raw: true, secure: true,
		opts:   []naru.ServerOption{hasty},
		attack: func(p *peer) { p.out = append(p.out, 0x16, 3, 1, 2, 0); p.hold() },
		ends:   "tls_handshake",
	},
	{
		name:   "half a frame header",
		opts:   []naru.ServerOption{hasty},
		attack: func(p *peer) { p.out = append(p.out, 0, 0, 1); p.hold() },
		ends:   "read_timeout",
	},
	{
		name: "a header block that does not end",
		opts: []naru.ServerOption{hasty},
		attack: func(p *peer) {
			p.raw(frame.TypeHeaders, 0, p.id(), head(unary))
			p.hold()
		},
		ends: "read_timeout",
	},
	{
		name: "a header block that comes byte by byte",
		opts: []naru.ServerOption{hasty},
		attack: func(p *peer) {
			b := head(unary)
			p.out = frame.AppendHeader(p.out, frame.Header{Length: uint32(len(b)), Type: frame.TypeHeaders, StreamID: 1})
			for i := range b {
				p.out = append(p.out, b[i])
				p.send()
				if p.over() || p.pause(5*time.Millisecond) {
					return
				}
			}
			p.hold()
		},
		ends: "read_timeout",
	},
	{
		name:     "a finished answer without a window",
		opts:     []naru.ServerOption{hasty},
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 0}},
		attack: func(p *peer) {
			for range 10 {
				p.call(unary, large(1000))
			}
			p.hold()
		},
		ends: "zero_window|preface|read_timeout",
	},
	{
		name: "a peer that does not read", deaf: true, hold: hold{sent: largeAnswer, made: handlersMake},
		// Only the stall is hasty: the attackers' own writes may stand still in the middle of a
		// frame.
		opts: []naru.ServerOption{naru.WithLimits(limits.Limits{
			WriteStall: hurry, ServerMemory: int(terms.ServerMemory), Handlers: mostHandlers,
		})},
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 1<<31 - 1}},
		attack: func(p *peer) {
			p.window(0, 1<<30)
			for range 250 {
				p.call(unary, large(largeAnswer))
			}
			p.hold()
		},
		ends: "write_stall|server_memory", // what was dropped does not stall
	},
	{
		name: "an HTTP/1.1 request without a handler for it", raw: true,
		attack: func(p *peer) { p.out = append(p.out, "GET / HTTP/1.1\r\nHost: x\r\n"...); p.hold() },
		ends:   "bad_preface",
	},
	{
		name: "an HTTP/1.1 header without end", raw: true,
		opts: []naru.ServerOption{naru.WithHTTPHandler(http.NotFoundHandler())},
		attack: func(p *peer) {
			p.out = append(p.out, "GET / HTTP/1.1\r\nHost: x\r\n"...)
			p.send()
			p.repeat(func() { p.out = append(p.out, "X-More: field\r\n"...) })
		},
		ends: "http1",
	},
}

// hurry is short for an attack and long for the well-behaved client of the same server, on a
// machine that has other things to do.
const hurry = 400 * time.Millisecond

var hasty = naru.WithLimits(limits.Limits{PrefaceTimeout: hurry, HeaderTimeout: hurry, WriteStall: hurry, ZeroWindow: hurry,
	ServerMemory: int(terms.ServerMemory)})

// pause waits for d; true: the attack is over.
func (p *peer) pause(d time.Duration) bool {
	select {
	case <-time.After(d):
		return false
	case <-p.stop:
		return true
	}
}
