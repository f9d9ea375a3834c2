package hostile

import (
	"bytes"
	"github.com/naru-rpc/naru"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// Frames that are cheap to send and cost something to take.
var floodClasses = []class{
	{
		name:   "SETTINGS (CVE-2019-9515)",
		attack: func(p *peer) { p.repeat(func() { p.out = frame.AppendSettings(p.out, false) }) },
		ends:   "settings_flood",
	},
	{
		name: "SETTINGS with many entries (CVE-2019-9515)",
		attack: func(p *peer) {
			many := make([]frame.Setting, 2000)
			for i := range many {
				many[i] = frame.Setting{ID: frame.SettingInitialWindowSize, Value: uint32(i)}
			}
			p.repeat(func() { p.out = frame.AppendSettings(p.out, false, many...) })
		},
		ends: "settings_entries",
	},
	{
		name: "SETTINGS that move the windows of many streams (CVE-2019-9511)", hold: hold{sent: largeAnswer, made: handlersMake},
		opts: []naru.ServerOption{fewHandlers},
		attack: func(p *peer) {
			for range 250 {
				p.call(unary, large(1<<20))
			}
			p.repeat(func() {
				p.out = frame.AppendSettings(p.out, false, frame.Setting{ID: frame.SettingInitialWindowSize, Value: uint32(p.n % 2)})
			})
		},
		ends: "settings_flood",
	},
	{
		name:   "SETTINGS acknowledgments",
		attack: func(p *peer) { p.repeat(func() { p.out = frame.AppendSettings(p.out, true) }) },
		ends:   "ack_flood",
	},
	{
		name:   "PING (CVE-2019-9512)",
		attack: func(p *peer) { p.repeat(func() { p.out = frame.AppendPing(p.out, false, [8]byte{}) }) },
		ends:   "ping_flood|ping_strikes",
	},
	{
		name: "PING by a peer that never reads (CVE-2019-9512)", deaf: true,
		attack: func(p *peer) { p.repeat(func() { p.out = frame.AppendPing(p.out, false, [8]byte{}) }) },
		ends:   "ping_flood|ping_strikes|control_queue",
	},
	{
		name:   "forged PING acknowledgments",
		attack: func(p *peer) { p.repeat(func() { p.out = frame.AppendPing(p.out, true, [8]byte{byte(p.n)}) }) },
		ends:   "ack_flood",
	},
	{
		name: "PRIORITY (CVE-2019-9513)",
		attack: func(p *peer) {
			p.repeat(func() { p.out = frame.AppendPriority(p.out, uint32(2*p.n+1)&frame.MaxStreamID, frame.Priority{}) })
		},
		ends: "priority_flood",
	},
	{
		name: "empty DATA (CVE-2019-9518)",
		attack: func(p *peer) {
			id := p.id()
			p.headers(id, false, head(bidi))
			p.repeat(func() { p.data(id, false, nil) })
		},
		ends: "tiny_data_flood",
	},
	{
		name: "one-byte DATA (CVE-2026-84304, CVE-2019-9511)",
		attack: func(p *peer) {
			id := p.id()
			p.headers(id, false, head(bidi))
			p.repeat(func() { p.data(id, false, []byte{0}) })
		},
		ends: "tiny_data_flood",
	},
	{
		name: "padded DATA without data (CVE-2019-9518)",
		attack: func(p *peer) {
			id := p.id()
			p.headers(id, false, head(bidi))
			pad := append([]byte{255}, make([]byte, 255)...)
			p.repeat(func() { p.raw(frame.TypeData, frame.FlagPadded, id, pad) })
		},
		ends: "tiny_data_flood",
	},
	{
		name:   "unknown frame types (CVE-2026-27141)",
		attack: func(p *peer) { p.repeat(func() { p.raw(0x7f, 0, 0, nil) }) },
		ends:   "unknown_frame_flood",
	},
	{
		name:   "unknown frame types, as long as may be",
		attack: func(p *peer) { b := make([]byte, 1<<14); p.repeat(func() { p.raw(0x7f, 0xff, 1, b) }) },
		ends:   "unknown_frame_flood",
	},
	{
		name:   "WINDOW_UPDATE for nothing (CVE-2019-9517)",
		attack: func(p *peer) { p.repeat(func() { p.window(0, 1) }) },
		ends:   "window_update_flood",
	},
	{
		name:   "WINDOW_UPDATE that overflows the connection",
		attack: func(p *peer) { p.window(0, 1<<31-1); p.hold() },
		ends:   "conn_window_overflow",
	},
	{
		name: "GOAWAY with long debug data",
		attack: func(p *peer) {
			debug := string(bytes.Repeat([]byte("debug "), 100))
			p.repeat(func() { p.out = frame.AppendGoAway(p.out, 0, frame.NoError, debug) })
		},
		ends: "goaway_flood",
	},
	{
		name:     "SETTINGS_MAX_FRAME_SIZE out of range (CVE-2026-33814)",
		settings: []frame.Setting{{ID: frame.SettingMaxFrameSize, Value: 0}},
		attack:   func(p *peer) { p.hold() },
		ends:     "settings_max_frame_size",
	},
	{
		name:     "SETTINGS_INITIAL_WINDOW_SIZE out of range",
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 1 << 31}},
		attack:   func(p *peer) { p.hold() },
		ends:     "settings_initial_window",
	},
	{
		name:   "a frame longer than announced",
		attack: func(p *peer) { p.raw(frame.TypePing, 0, 0, make([]byte, 1<<20)); p.hold() },
		ends:   "frame_too_large|ping_length",
	},
	{
		name: "random bytes",
		attack: func(p *peer) {
			x := uint32(2463534242)
			p.repeat(func() {
				x ^= x << 13
				x ^= x >> 17
				x ^= x << 5
				p.out = append(p.out, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
			})
		},
		ends: "frame_too_large|unknown_frame_flood|ping_length|settings_length|continuation_alone|data_idle|data_stream_zero|headers_stream_zero|" +
			"window_update_length|rst_stream_length|goaway_length|priority_length|push_promise|ping_stream|settings_stream|headers_idle|data_padding",
	},
}
