package frames

import (
	"fmt"

	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// Entry is one field of a header block, with how it was written.
type Entry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// How is the representation: "indexed 2 (static)", "literal, added to the table as 62".
	How string `json:"how"`
	// Lost says that the name or the value was in the part of the table that the capture does not
	// have.
	Lost bool `json:"lost,omitempty"`
}

// Table is the state of a dynamic table after a block.
type Table struct {
	Entries int `json:"entries"`
	Bytes   int `json:"bytes"` // RFC 7541 §4.1: names and values, and 32 for each entry
	Max     int `json:"max"`
}

// decoder reads header blocks of one direction as RFC 7541 has them. Unlike the runtime's, it keeps
// going when the beginning of the connection is missing: what refers to it is marked as lost.
type decoder struct {
	table   []hpack.Field // oldest first
	size    int
	max     int
	partial bool // entries from before the capture may exist
}

// maxTable bounds the table whatever the capture says.
const maxTable = 1 << 20

const entryOverhead = 32

func newDecoder(partial bool) *decoder { return &decoder{max: 4096, partial: partial} }

func (d *decoder) state() Table { return Table{len(d.table), d.size, d.max} }

func entrySize(f hpack.Field) int { return len(f.Name) + len(f.Value) + entryOverhead }

func (d *decoder) shrink(to int) {
	for d.size > to && len(d.table) > 0 {
		d.size -= entrySize(d.table[0])
		d.table = d.table[1:]
	}
}

func (d *decoder) insert(f hpack.Field) {
	d.shrink(d.max - entrySize(f))
	if entrySize(f) > d.max {
		return // RFC 7541 §4.4: it empties the table
	}
	d.table = append(d.table, f)
	d.size += entrySize(f)
}

// staticEntries is how many entries the static table has.
const staticEntries = 61

// lookup returns the entry with an index. ok is false if it does not exist, or was before the
// capture.
func (d *decoder) lookup(index uint64) (f hpack.Field, where string, ok bool) {
	switch {
	case index == 0:
		return f, "index 0", false
	case index <= staticEntries:
		fields, _, err := hpack.NewDecoder(0).Decode(nil, []byte{0x80 | byte(index)}, &stringLimits)
		if err != nil || len(fields) != 1 {
			return f, "", false
		}
		return fields[0], fmt.Sprintf("%d (static)", index), true
	case index-staticEntries-1 < uint64(len(d.table)):
		return d.table[uint64(len(d.table))-(index-staticEntries)], fmt.Sprintf("%d (dynamic)", index), true
	}
	return f, fmt.Sprintf("%d (dynamic)", index), false
}

// block decodes a whole header block. The entries before an error are returned with it.
func (d *decoder) block(b []byte) (entries []Entry, err error) {
	for len(b) > 0 {
		var e *Entry
		e, b, err = d.representation(b)
		if err != nil {
			return entries, err
		}
		if e != nil {
			entries = append(entries, *e)
		}
	}
	return entries, nil
}

// representation reads one representation of RFC 7541 §6. A table size update has no entry.
func (d *decoder) representation(b []byte) (*Entry, []byte, error) {
	switch first := b[0]; {
	case first&0x80 != 0:
		return d.indexed(b)
	case first&0xc0 == 0x40:
		return d.literal(b, 6, "literal, added to the table")
	case first&0xe0 == 0x20:
		size, rest, err := integer(b, 5)
		if err != nil {
			return nil, rest, err
		}
		d.max = int(min(size, maxTable))
		d.shrink(d.max)
		return nil, rest, nil
	case first&0xf0 == 0x10:
		return d.literal(b, 4, "literal, never to be indexed")
	}
	return d.literal(b, 4, "literal")
}

func (d *decoder) indexed(b []byte) (*Entry, []byte, error) {
	index, rest, err := integer(b, 7)
	if err != nil {
		return nil, rest, err
	}
	f, where, ok := d.lookup(index)
	switch {
	case ok:
		return &Entry{Name: f.Name, Value: f.Value, How: "indexed " + where}, rest, nil
	case index > staticEntries && d.partial:
		return &Entry{Name: "?", Value: "?", How: "indexed " + where, Lost: true}, rest, nil
	}
	return nil, rest, fmt.Errorf("the index %d is not in the table, which has %d entries", index, staticEntries+len(d.table))
}

func (d *decoder) literal(b []byte, prefix uint, how string) (*Entry, []byte, error) {
	index, rest, err := integer(b, prefix)
	if err != nil {
		return nil, rest, err
	}
	e := &Entry{How: how}
	if index == 0 {
		if e.Name, rest, err = text(rest); err != nil {
			return nil, rest, err
		}
	} else {
		f, where, ok := d.lookup(index)
		switch {
		case ok:
			e.Name = f.Name
		case d.partial:
			e.Name, e.Lost = "?", true
		default:
			return nil, rest, fmt.Errorf("the index %d is not in the table, which has %d entries", index, staticEntries+len(d.table))
		}
		e.How += ", name of " + where
	}
	if e.Value, rest, err = text(rest); err != nil {
		return nil, rest, err
	}
	if prefix == 6 {
		d.insert(hpack.Field{Name: e.Name, Value: e.Value})
	}
	return e, rest, nil
}

// integer reads an integer of RFC 7541 §5.1 with a prefix of so many bits.
func integer(b []byte, prefix uint) (uint64, []byte, error) {
	most := uint64(1)<<prefix - 1
	v := uint64(b[0]) & most
	b = b[1:]
	if v < most {
		return v, b, nil
	}
	for shift := uint(0); shift < 35; shift += 7 {
		if len(b) == 0 {
			return 0, b, fmt.Errorf("an integer is cut off")
		}
		c := b[0]
		b = b[1:]
		v += uint64(c&0x7f) << shift
		if c&0x80 == 0 {
			return v, b, nil
		}
	}
	return 0, b, fmt.Errorf("an integer of more than 32 bits")
}

// stringLimits let any string of a frame pass.
var stringLimits = hpack.Limits{Size: 1 << 26, Fields: 8, HardSize: 1 << 26, HardFields: 8}

// text reads a string literal of RFC 7541 §5.2. The runtime's decoder expands Huffman codes: as the
// value of a literal field with the name "x".
func text(b []byte) (string, []byte, error) {
	if len(b) == 0 {
		return "", b, fmt.Errorf("a string is cut off")
	}
	length, rest, err := integer(b, 7)
	if err != nil {
		return "", rest, err
	}
	if length > uint64(len(rest)) {
		return "", rest, fmt.Errorf("a string of %d bytes, and %d follow", length, len(rest))
	}
	if b[0]&0x80 == 0 {
		return string(rest[:length]), rest[length:], nil
	}
	literal := append([]byte{0x00, 0x01, 'x'}, b[:len(b)-len(rest)+int(length)]...)
	fields, _, herr := hpack.NewDecoder(0).Decode(nil, literal, &stringLimits)
	if herr != nil || len(fields) != 1 {
		return "", rest, fmt.Errorf("a string in a wrong Huffman code")
	}
	return fields[0].Value, rest[length:], nil
}
