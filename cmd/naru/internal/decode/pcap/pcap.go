// Package pcap reads captures of network traffic (pcap and pcapng files) and joins the TCP segments
// in them to the two directions of connections.
//
// Input is hostile: lengths are checked before use, and memory is bounded by the file.
package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Is reports whether a file begins as a pcap or pcapng file does.
func Is(b []byte) bool {
	if len(b) < 4 {
		return false
	}
	_, ok := magics[binary.LittleEndian.Uint32(b)]
	return ok || bytes.HasPrefix(b, sectionMagic)
}

// magics of pcap files read in little-endian order (draft-ietf-opsawg-pcap §4).
var magics = map[uint32]struct {
	order binary.ByteOrder
	unit  time.Duration
}{
	0xa1b2c3d4: {binary.LittleEndian, time.Microsecond},
	0xd4c3b2a1: {binary.BigEndian, time.Microsecond},
	0xa1b23c4d: {binary.LittleEndian, time.Nanosecond},
	0x4d3cb2a1: {binary.BigEndian, time.Nanosecond},
}

// packet is one captured packet.
type packet struct {
	time time.Time
	link uint32
	data []byte
}

// Read returns the TCP connections of a file, in the order of their first packets. A file that
// breaks off gives what came before, with an error.
func Read(b []byte) ([]*Connection, error) {
	a := newAssembly()
	var err error
	if bytes.HasPrefix(b, sectionMagic) {
		err = readNG(b, a.packet)
	} else {
		err = readClassic(b, a.packet)
	}
	return a.finish(), err
}

var errCut = errors.New("the capture file ends within a packet")

func readClassic(b []byte, packetOf func(packet)) error {
	if len(b) < 24 {
		return errors.New("the capture file is cut off in its header")
	}
	m, ok := magics[binary.LittleEndian.Uint32(b)]
	if !ok {
		return errors.New("not a capture file")
	}
	link := m.order.Uint32(b[20:]) & 0xffff
	for b = b[24:]; len(b) > 0; {
		if len(b) < 16 {
			return errCut
		}
		size := m.order.Uint32(b[8:])
		if uint64(size) > uint64(len(b)-16) {
			return errCut
		}
		at := time.Unix(int64(m.order.Uint32(b)), int64(m.order.Uint32(b[4:]))*int64(m.unit))
		packetOf(packet{at, link, b[16 : 16+size]})
		b = b[16+size:]
	}
	return nil
}

// sectionMagic begins a pcapng file: the type of a section header block.
var sectionMagic = []byte{0x0a, 0x0d, 0x0d, 0x0a}

// Block types of pcapng (draft-ietf-opsawg-pcapng §4).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockSimple    = 3
	blockEnhanced  = 6
)

// capture is what a section's blocks say.
type capture struct {
	order  binary.ByteOrder
	links  []uint32
	units  []time.Duration // of timestamps, by interface
	packet func(packet)
}

func readNG(b []byte, packetOf func(packet)) error {
	c := &capture{order: binary.LittleEndian, packet: packetOf}
	for len(b) > 0 {
		if len(b) < 12 {
			return errCut
		}
		if bytes.HasPrefix(b, sectionMagic) {
			switch {
			case binary.LittleEndian.Uint32(b[8:]) == 0x1a2b3c4d:
				c.order = binary.LittleEndian
			case binary.BigEndian.Uint32(b[8:]) == 0x1a2b3c4d:
				c.order = binary.BigEndian
			default:
				return errors.New("a section of the capture file has a wrong byte order mark")
			}
			c.links, c.units = nil, nil
		}
		size := c.order.Uint32(b[4:])
		if size < 12 || size%4 != 0 {
			return fmt.Errorf("a block of the capture file has the length %d", size)
		}
		if uint64(size) > uint64(len(b)) {
			return errCut
		}
		c.block(c.order.Uint32(b), b[8:size-4])
		b = b[size:]
	}
	return nil
}

// block takes one block. What it does not understand is passed over, as the format wants it.
func (c *capture) block(kind uint32, body []byte) {
	switch {
	case kind == blockInterface && len(body) >= 8:
		c.links = append(c.links, uint32(c.order.Uint16(body)))
		c.units = append(c.units, c.unit(body[8:]))
	case kind == blockEnhanced && len(body) >= 20:
		id, size := c.order.Uint32(body), c.order.Uint32(body[12:])
		if uint64(id) >= uint64(len(c.links)) || uint64(size) > uint64(len(body)-20) {
			return
		}
		ticks := uint64(c.order.Uint32(body[4:]))<<32 | uint64(c.order.Uint32(body[8:]))
		c.packet(packet{at(ticks, c.units[id]), c.links[id], body[20 : 20+size]})
	case kind == blockSimple && len(body) >= 4 && len(c.links) > 0:
		size := min(uint64(c.order.Uint32(body)), uint64(len(body)-4))
		c.packet(packet{time.Time{}, c.links[0], body[4 : 4+size]})
	}
}

// at converts a timestamp; units are a nanosecond, a microsecond, or a power of ten above them.
func at(ticks uint64, unit time.Duration) time.Time {
	perSecond := uint64(time.Second / unit)
	return time.Unix(int64(ticks/perSecond&(1<<40-1)), int64(ticks%perSecond)*int64(unit))
}

// unit returns the resolution of an interface's timestamps: option 9, microseconds without it.
func (c *capture) unit(options []byte) time.Duration {
	for len(options) >= 4 {
		code, size := c.order.Uint16(options), int(c.order.Uint16(options[2:]))
		padded := (size + 3) &^ 3
		if code == 0 || padded > len(options)-4 {
			break
		}
		if code == 9 && size == 1 && options[4] <= 9 {
			unit := time.Second
			for range options[4] {
				unit /= 10
			}
			return unit
		}
		options = options[4+padded:]
	}
	return time.Microsecond
}
