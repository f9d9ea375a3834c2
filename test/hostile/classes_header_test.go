package hostile

import (
	"bytes"
	"strings"

	"github.com/naru-rpc/naru/internal/h2/frame"
)

// Header blocks: endless, dense, or wrong.
var headerClasses = []class{
	{
		name: "CONTINUATION without end (CVE-2023-45288, CVE-2024-27316)",
		attack: func(p *peer) {
			p.raw(frame.TypeHeaders, 0, p.id(), head(unary))
			p.repeat(func() { p.raw(frame.TypeContinuation, 0, 1, field(nil, "x-more", "field")) })
		},
		ends: "small_continuation_flood",
	},
	{
		name: "empty CONTINUATION without end (CVE-2026-33871)",
		attack: func(p *peer) {
			p.raw(frame.TypeHeaders, 0, p.id(), head(unary))
			p.repeat(func() { p.raw(frame.TypeContinuation, 0, 1, nil) })
		},
		ends: "small_continuation_flood|empty_continuation_flood",
	},
	{
		name: "large CONTINUATION without end (CVE-2023-45288)",
		attack: func(p *peer) {
			p.raw(frame.TypeHeaders, 0, p.id(), head(unary))
			more := field(nil, "x-more", strings.Repeat("v", 16000))
			p.repeat(func() { p.raw(frame.TypeContinuation, 0, 1, more) })
		},
		ends: "continuation_flood|block_bytes",
	},
	{
		name: "HPACK bomb: one long entry, indexed over and over (CVE-2016-6581)",
		attack: func(p *peer) {
			b := append(head(unary), 0x40)
			b = hstring(hstring(b, "x"), strings.Repeat("v", 4000))
			b = append(b, bytes.Repeat([]byte{0xbe}, 15000)...)
			p.repeat(func() { p.headers(p.id(), true, b) })
		},
		ends: "hpack_list_size|hpack_list_fields",
	},
	{
		name: "HTTP/2 bomb: one byte per tiny field (CVE-2026-49975, CVE-2026-47774)",
		attack: func(p *peer) {
			b := append(head(unary), 0x40, 1, 'a', 0)
			b = append(b, bytes.Repeat([]byte{0xbe}, 16000)...)
			p.repeat(func() { p.headers(p.id(), true, b) })
		},
		ends: "hpack_list_size|hpack_list_fields",
	},
	{
		name:     "tiny fields within the limit, windows held at zero (CVE-2026-49975)",
		settings: []frame.Setting{{ID: frame.SettingInitialWindowSize, Value: 0}},
		attack: func(p *peer) {
			for range 256 {
				id := p.id()
				p.headers(id, false, tinyFields())
				p.data(id, true, message(nil))
			}
			p.hold()
		},
	},
	{
		name: "open calls with tiny fields within the limit",
		attack: func(p *peer) {
			for range 256 {
				p.headers(p.id(), false, tinyFields())
			}
			p.hold()
		},
	},
	{
		name: "header lists over the soft limit",
		attack: func(p *peer) {
			b := head(unary, "x-long", strings.Repeat("v", 20<<10))
			p.repeat(func() { p.headers(p.id(), true, b) })
		},
		// Slowed down, it cannot send what would end it.
		ends: "peer_slowed",
	},
	{
		name: "a string longer than its block says",
		attack: func(p *peer) {
			p.headers(p.id(), true, hint([]byte{0}, 7, 0, 1<<30))
			p.hold()
		},
		ends: "hpack_string_long|hpack_string_truncated",
	},
	{
		name: "an integer without end",
		attack: func(p *peer) {
			p.headers(p.id(), true, append([]byte{0x7f}, bytes.Repeat([]byte{0x80}, 1000)...))
			p.hold()
		},
		ends: "hpack_varint_long|hpack_varint_overflow",
	},
	{
		name:     "a huge header table (encoder growth by SETTINGS_HEADER_TABLE_SIZE)",
		settings: []frame.Setting{{ID: frame.SettingHeaderTableSize, Value: 1<<32 - 1}},
		attack: func(p *peer) {
			p.repeat(func() { p.call("/unknown.Service"+string(rune('a'+p.n%26))+"/M", message(nil)) })
		},
		ends: "refused_flood",
	},
	{
		name: "table updates of the peer beyond the limit",
		attack: func(p *peer) {
			p.headers(p.id(), true, append(hint(nil, 5, 0x20, 1<<20), head(unary)...))
			p.hold()
		},
		ends: "hpack_size_update_range",
	},
}

// tinyFields is a head with as many fields as a call may have, 128.
func tinyFields() []byte {
	b := append(head(unary), 0x40, 1, 'a', 0)
	return append(b, bytes.Repeat([]byte{0xbe}, 128-7)...)
}
