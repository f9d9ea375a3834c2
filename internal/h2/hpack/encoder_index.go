package hpack

// The encoder's index maps pairs and names to their place in the tables. A place is a byte:
// 1 to 61 is that entry of the static table, firstDynamic+i the i-th field ever inserted. An
// append-only table makes places permanent while the HPACK index of a dynamic entry moves
// with each insertion.
const firstDynamic = staticLen + 1

// maxEntries follows from the cap on the table's size. Places must fit a byte, and the maps
// stay under three quarters full: 62+128 of 256.
const maxEntries = maxEncoderTable / entryOverhead

const _ = uint8(firstDynamic + maxEntries)

// A placeMap is an open-addressed hash table of places; 0 is a free slot.
type placeMap [256]uint8

// An index finds fields and names of the static and the dynamic table with one probe for
// both: it starts as a copy of the static table's map.
type index struct {
	pairs   placeMap
	names   placeMap
	entries []Field // dynamic entries in order of insertion
}

// staticIndex is what every encoder's maps start from.
var staticIndex = newStaticIndex()

func newStaticIndex() *index {
	x := new(index)
	for i := 1; i <= staticLen; i++ {
		f := &staticTable[i]
		if f.Value != "" {
			x.pairs.put(hashPair(f.Name, f.Value), uint8(i))
		}
		if x.findName(f.Name) == 0 {
			x.names.put(hashName(f.Name), uint8(i))
		}
	}
	return x
}

func (x *index) reset() {
	x.pairs, x.names = staticIndex.pairs, staticIndex.names
	clear(x.entries)
	x.entries = x.entries[:0]
}

// add inserts a field that is not there yet.
func (x *index) add(name, value string, nameKnown bool) {
	place := uint8(firstDynamic + len(x.entries))
	x.entries = append(x.entries, Field{Name: name, Value: value})
	x.pairs.put(hashPair(name, value), place)
	if !nameKnown {
		x.names.put(hashName(name), place)
	}
}

// findPair returns the HPACK index of a pair, 0 if it is not in the tables.
func (x *index) findPair(name, value string) uint64 {
	for slot := hashPair(name, value); ; slot++ {
		place := x.pairs[slot]
		if place == 0 {
			return 0
		}
		// The strings of a connection's steady fields are the very ones that were inserted; the
		// runtime compares equal pointers without a look at the bytes.
		if f := x.field(place); f.Value == value && f.Name == name {
			return x.position(place)
		}
	}
}

// findName returns the HPACK index of an entry with the given name, 0 if there is none.
func (x *index) findName(name string) uint64 {
	for slot := hashName(name); ; slot++ {
		place := x.names[slot]
		if place == 0 {
			return 0
		}
		if x.field(place).Name == name {
			return x.position(place)
		}
	}
}

func (x *index) field(place uint8) *Field {
	if place < firstDynamic {
		return &staticTable[place]
	}
	return &x.entries[place-firstDynamic]
}

// position turns a place into the HPACK index of now: the newest dynamic entry is 62.
func (x *index) position(place uint8) uint64 {
	if place < firstDynamic {
		return uint64(place)
	}
	return uint64(staticLen + len(x.entries) - int(place-firstDynamic))
}

func (m *placeMap) put(slot, place uint8) {
	for m[slot] != 0 {
		slot++
	}
	m[slot] = place
}

// hashPair hashes the lengths and, of the value, the last eight bytes and eight from the
// middle: paths of one service differ there. It need not be strong: the table has at most
// maxEntries entries.
func hashPair(name, value string) uint8 {
	h := uint64(len(name))<<40 ^ uint64(len(value))<<48
	switch n := len(value); {
	case n >= 8:
		h ^= load64(value, n-8)
		h = h*hashMul ^ load64(value, (n-8)/2)
	case n > 0:
		h ^= uint64(value[0]) | uint64(value[n/2])<<8 | uint64(value[n-1])<<16
	}
	if n := len(name); n > 0 {
		h ^= uint64(name[n-1])<<24 | uint64(name[n/2])<<32
	}
	return uint8(h * hashMul >> 56)
}

func hashName(name string) uint8 {
	n := len(name)
	h := uint64(n) << 56
	switch {
	case n >= 8:
		h ^= load64(name, n-8)
		h = h*hashMul ^ load64(name, 0)
	case n > 0:
		h ^= uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16
	}
	return uint8(h * hashMul >> 56)
}

// load64 reads eight bytes of s; the compiler makes one load of it.
func load64(s string, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}
