package hpack

// entryOverhead is what RFC 7541 §4.1 adds to the lengths of an entry's name and value; RFC
// 9113 §6.5.2 counts the fields of a header list the same way.
const entryOverhead = 32

// A table is the decoder's dynamic table (RFC 7541 §2.3.2): a ring whose newest entry has
// index 1. It grows as needed, up to max/32 entries, and never shrinks.
type table struct {
	ring []Field // length is a power of two, or 0
	next uint32  // ring position of the next insertion, before masking
	n    uint32  // entries in use
	size uint32  // sum of their sizes, <= max
	max  uint32
}

// at returns the entry with the given index, or nil if there is none.
func (t *table) at(index uint32) *Field {
	if index-1 >= t.n { // also true of index 0
		return nil
	}
	return &t.ring[(t.next-index)&uint32(len(t.ring)-1)]
}

// add inserts a field that fits, evicting older ones to make room (RFC 7541 §4.4).
func (t *table) add(f Field) {
	size := uint32(len(f.Name)+len(f.Value)) + entryOverhead
	t.evictTo(t.max - size)
	if int(t.n) == len(t.ring) {
		t.grow()
	}
	t.ring[t.next&uint32(len(t.ring)-1)] = Field{Name: f.Name, Value: f.Value}
	t.next++
	t.n++
	t.size += size
}

// fits reports whether a field of the given size would stay in the table if it were added.
func (t *table) fits(size uint64) bool { return size <= uint64(t.max) }

// setMax changes the maximum size and evicts what no longer fits (RFC 7541 §4.3).
func (t *table) setMax(n uint32) {
	t.max = n
	t.evictTo(n)
}

func (t *table) evictTo(size uint32) {
	for t.size > size {
		f := t.at(t.n)
		t.size -= uint32(len(f.Name)+len(f.Value)) + entryOverhead
		*f = Field{}
		t.n--
	}
}

func (t *table) grow() {
	ring := make([]Field, max(8, 2*len(t.ring)))
	for i := range t.n {
		ring[i] = *t.at(t.n - i)
	}
	t.ring, t.next = ring, t.n
}
