package pcap

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkRaw12    = 12
	linkRaw14    = 14
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// segment is a TCP segment.
type segment struct {
	from, to netip.AddrPort
	seq      uint32
	syn, ack bool
	end      bool // FIN or RST
	data     []byte
	time     time.Time
}

// segmentOf returns the TCP segment in a packet. ok is false for packets of other protocols and cut
// ones.
func segmentOf(p packet) (s segment, ok bool) {
	ip, ok := network(p)
	if !ok || len(ip) < 1 {
		return s, false
	}
	var payload []byte
	var from, to netip.Addr
	switch ip[0] >> 4 {
	case 4:
		from, to, payload, ok = ipv4(ip)
	case 6:
		from, to, payload, ok = ipv6(ip)
	default:
		return s, false
	}
	if !ok {
		return s, false
	}
	s, ok = tcp(payload, from, to)
	s.time = p.time
	return s, ok
}

// network strips the link layer.
func network(p packet) ([]byte, bool) {
	b := p.data
	skip := func(n int) ([]byte, bool) {
		if len(b) < n {
			return nil, false
		}
		return b[n:], true
	}
	switch p.link {
	case linkEthernet:
		n := 14
		for len(b) >= n+4 && (binary.BigEndian.Uint16(b[n-2:]) == 0x8100 || binary.BigEndian.Uint16(b[n-2:]) == 0x88a8) {
			n += 4 // a VLAN tag
		}
		return skip(n)
	case linkNull, linkLoop:
		return skip(4)
	case linkSLL:
		return skip(16)
	case linkSLL2:
		return skip(20)
	case linkRaw, linkRaw12, linkRaw14, linkIPv4, linkIPv6:
		return b, true
	}
	return nil, false
}

// ipv4 returns the TCP part of a packet. Fragments are left out: TCP avoids them.
func ipv4(b []byte) (from, to netip.Addr, payload []byte, ok bool) {
	if len(b) < 20 {
		return
	}
	head, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	fragment := binary.BigEndian.Uint16(b[6:]) & 0x3fff
	if total == 0 || total > len(b) { // 0: the network card was to fill it in
		total = len(b)
	}
	if head < 20 || head > total || b[9] != 6 || fragment != 0 {
		return
	}
	return netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[head:total], true
}

func ipv6(b []byte) (from, to netip.Addr, payload []byte, ok bool) {
	if len(b) < 40 {
		return
	}
	total, next := int(binary.BigEndian.Uint16(b[4:]))+40, b[6]
	if total == 40 || total > len(b) {
		total = len(b)
	}
	from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	rest := b[40:total]
	for next == 0 || next == 43 || next == 60 { // hop-by-hop, routing, destination options
		if len(rest) < 8 || len(rest) < (int(rest[1])+1)*8 {
			return
		}
		next, rest = rest[0], rest[(int(rest[1])+1)*8:]
	}
	return from, to, rest, next == 6
}

func tcp(b []byte, from, to netip.Addr) (s segment, ok bool) {
	if len(b) < 20 {
		return s, false
	}
	head := int(b[12]>>4) * 4
	if head < 20 || head > len(b) {
		return s, false
	}
	return segment{
		from: netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)),
		to:   netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:])),
		seq:  binary.BigEndian.Uint32(b[4:]),
		syn:  b[13]&0x02 != 0, ack: b[13]&0x10 != 0, end: b[13]&0x05 != 0,
		data: b[head:],
	}, true
}
