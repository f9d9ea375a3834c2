package hpack

const (
	// maxEncoderTable is the size of a peer's table before its SETTINGS (RFC 9113 §6.5.2), and the
	// most that is used of it ever: more would cost memory on the peer's word.
	maxEncoderTable = 4096

	// A field the caller did not ask to index is still inserted, once, if its name is new: all
	// later fields of that name then cost a name index instead of the name. Such entries
	// must be small and take no more than a quarter of the table from those asked for.
	maxNameEntry  = 128
	maxNamesTotal = maxEncoderTable / 4
)

// An Encoder encodes the field blocks of one direction of a connection, in order. Blocks must
// reach the peer in the order they were encoded.
//
// What it keeps is bounded by its table: at most 4 KiB of strings and 5 KiB of its own.
type Encoder struct {
	// immutable after NewEncoder

	limit uint32 // our own bound on the dynamic table

	// owned by the caller

	index index
	// size of the dynamic table, and of its entries that are there for their name.
	size, nameSize uint32
	// current is the table size the peer's decoder works with, wanted the one to use from the
	// next block on, and lowest the smallest that was set since the last block.
	current, wanted, lowest uint32
}

// NewEncoder returns the encoder of a new connection. It keeps at most limit bytes in its
// table, and at most 4096, whatever the peer's decoder permits.
func NewEncoder(limit uint32) *Encoder {
	const peer = maxEncoderTable
	e := &Encoder{limit: min(limit, maxEncoderTable), current: peer, wanted: peer, lowest: peer}
	e.index.reset()
	return e
}

// SetMaxTableSize applies the peer's SETTINGS_HEADER_TABLE_SIZE. It takes effect, and is
// signaled to the peer, with the next [Encoder.BeginBlock]. A reduction below what the
// table holds empties it.
func (e *Encoder) SetMaxTableSize(n uint32) {
	e.wanted = min(n, maxEncoderTable) // more need not be signaled: it would not be used
	e.lowest = min(e.lowest, e.wanted)
}

// BeginBlock starts a field block: it appends the table size updates that are due, usually
// none. Call it before the first AppendField of each block.
func (e *Encoder) BeginBlock(dst []byte) []byte {
	if e.lowest == e.current && e.wanted == e.current {
		return dst
	}
	// RFC 7541 §4.2: "In the case that this size is changed more than once in this interval, the
	// smallest maximum table size that occurs in that interval MUST be signaled in a dynamic
	// table size update. The final maximum size is always signaled".
	dropped := e.lowest < e.size || e.lowest < e.wanted && e.lowest < e.current
	if dropped {
		// Whenever entries must go, or two sizes be signaled, all entries go: 0 is a maximum size
		// an encoder may choose at any time. Evicting only the oldest would move all places, and
		// some decoders refuse a second update while their table holds anything (x/net v0.62).
		dst = append(dst, 0x20)
		e.size, e.nameSize = 0, 0
		e.index.reset()
	}
	if !dropped || e.wanted > 0 {
		dst = appendInt(dst, 0x20, 5, uint64(e.wanted))
	}
	e.current, e.lowest = e.wanted, e.wanted
	return dst
}

// AppendField appends f's encoding to dst. It does not check f; see package header.
//
// index asks for the pair to be put into the dynamic table: right for what repeats on this
// connection (a path, an authority, an agent), wrong for what does not (a timeout, an id).
// If the table is full, nothing is evicted and f is sent as a literal. The encoder keeps
// f's strings then. A Sensitive field is never put into a table and always sent as a literal
// that no intermediary may index (RFC 7541 §7.1.3).
func (e *Encoder) AppendField(dst []byte, f Field, index bool) []byte {
	if !f.Sensitive {
		if i := e.index.findPair(f.Name, f.Value); i != 0 {
			if i < 0x7f {
				return append(dst, 0x80|byte(i))
			}
			return appendInt(dst, 0x80, 7, i)
		}
	}
	return e.appendLiteral(dst, f, index)
}

func (e *Encoder) appendLiteral(dst []byte, f Field, index bool) []byte {
	name := e.index.findName(f.Name)
	switch {
	case f.Sensitive:
		dst = appendInt(dst, 0x10, 4, name) // RFC 7541 §6.2.3
	case e.insert(f, index, name != 0):
		dst = appendInt(dst, 0x40, 6, name) // §6.2.1
	default:
		dst = appendInt(dst, 0x00, 4, name) // §6.2.2
	}
	if name == 0 {
		dst = appendString(dst, f.Name)
	}
	return appendString(dst, f.Value)
}

// insert puts f into the dynamic table if it should be there and fits.
func (e *Encoder) insert(f Field, index, nameKnown bool) bool {
	size := uint64(len(f.Name)) + uint64(len(f.Value)) + entryOverhead
	if uint64(e.size)+size > uint64(min(e.current, e.limit)) {
		return false
	}
	if !index {
		if nameKnown || size > maxNameEntry || uint64(e.nameSize)+size > maxNamesTotal {
			return false
		}
		e.nameSize += uint32(size)
	}
	e.size += uint32(size)
	e.index.add(f.Name, f.Value, nameKnown)
	return true
}

// appendString appends a string literal, Huffman-coded when that is shorter (RFC 7541 §5.2).
func appendString(dst []byte, s string) []byte {
	if n := huffmanSize(s); n < len(s) {
		dst = appendInt(dst, 0x80, 7, uint64(n))
		return appendHuffman(dst, s)
	}
	dst = appendInt(dst, 0x00, 7, uint64(len(s)))
	return append(dst, s...)
}
