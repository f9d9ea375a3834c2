package recorded

import (
	"encoding/binary"
	"time"
)

// Link is a link layer of captures.
type Link int

// The link layers that Conversation writes.
const (
	Ethernet Link = iota
	VLAN
	SLL
	Null
	RawIPv6
)

// Packet is one packet of a conversation.
type Packet struct {
	ToServer bool
	Data     []byte // from the link layer on
	Time     time.Time
}

// segmentSize is how much data a packet has.
const segmentSize = 500

// Conversation returns a TCP connection as packets: SYN, SYN-ACK, and then the data of both
// directions in turn. Sequence numbers wrap around.
func Conversation(toServer, toClient []byte, link Link) []Packet {
	var packets []Packet
	seq := [2]uint32{0xffffff00, 0x1000}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	add := func(side int, flags byte, data []byte) {
		at = at.Add(137 * time.Microsecond)
		packets = append(packets, Packet{side == 0, frameOf(link, side, seq[side], flags, data), at})
		seq[side] += uint32(len(data))
		if flags&0x02 != 0 {
			seq[side]++
		}
	}
	add(0, 0x02, nil)
	add(1, 0x12, nil)
	for rest := [2][]byte{toServer, toClient}; len(rest[0])+len(rest[1]) > 0; {
		for side := range rest {
			if n := min(segmentSize, len(rest[side])); n > 0 {
				add(side, 0x18, rest[side][:n])
				rest[side] = rest[side][n:]
			}
		}
	}
	return packets
}

// frameOf returns one packet from the link layer on.
func frameOf(link Link, side int, seq uint32, flags byte, data []byte) []byte {
	ports := [2]uint16{40000, 50051}
	tcp := binary.BigEndian.AppendUint16(nil, ports[side])
	tcp = binary.BigEndian.AppendUint16(tcp, ports[1-side])
	tcp = binary.BigEndian.AppendUint32(tcp, seq)
	tcp = append(tcp, 0, 0, 0, 0, 5<<4, flags, 0xff, 0xff, 0, 0, 0, 0)
	tcp = append(tcp, data...)
	v4 := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, byte(1 + side), 127, 0, 0, byte(2 - side)}
	binary.BigEndian.PutUint16(v4[2:], uint16(len(v4)+len(tcp)))
	ip := append(v4, tcp...)
	switch link {
	case Ethernet:
		return append(append(make([]byte, 12), 0x08, 0x00), ip...)
	case VLAN:
		return append(append(make([]byte, 12), 0x81, 0x00, 0, 7, 0x08, 0x00), ip...)
	case SLL:
		return append(append(make([]byte, 14), 0x08, 0x00), ip...)
	case Null:
		return append([]byte{2, 0, 0, 0}, ip...)
	}
	v6 := make([]byte, 40, 40+8+len(tcp))
	v6[0], v6[6] = 0x60, 60 // destination options, then TCP
	binary.BigEndian.PutUint16(v6[4:], uint16(8+len(tcp)))
	v6[23], v6[39] = byte(1+side), byte(2-side)
	return append(append(v6, 6, 0, 1, 4, 0, 0, 0, 0), tcp...)
}

var linkTypes = map[Link]uint32{Ethernet: 1, VLAN: 1, SLL: 113, Null: 0, RawIPv6: 101}

// File returns packets as a pcap file, or as a pcapng file.
func File(packets []Packet, link Link, ng bool) []byte {
	le := binary.LittleEndian
	u32 := func(b []byte, values ...uint32) []byte {
		for _, v := range values {
			b = le.AppendUint32(b, v)
		}
		return b
	}
	if !ng {
		b := u32(nil, 0xa1b2c3d4, 4<<16|2, 0, 0, 1<<18, linkTypes[link])
		for _, p := range packets {
			b = u32(b, uint32(p.Time.Unix()), uint32(p.Time.Nanosecond()/1000), uint32(len(p.Data)), uint32(len(p.Data)))
			b = append(b, p.Data...)
		}
		return b
	}
	b := u32(nil, 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28)
	b = u32(b, 1, 20, linkTypes[link], 0, 20)
	for _, p := range packets {
		padded := (len(p.Data) + 3) &^ 3
		size := uint32(32 + padded)
		micros := uint64(p.Time.UnixMicro())
		b = u32(b, 6, size, 0, uint32(micros>>32), uint32(micros), uint32(len(p.Data)), uint32(len(p.Data)))
		b = append(append(b, p.Data...), make([]byte, padded-len(p.Data))...)
		b = u32(b, size)
	}
	return b
}
