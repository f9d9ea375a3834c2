package hpack

// Limits bound one decoded field section. They are taken literally: zero allows nothing.
// Sizes are counted as RFC 9113 §6.5.2 defines for SETTINGS_MAX_HEADER_LIST_SIZE: the
// uncompressed octets of names and values plus 32 for each field.
type Limits struct {
	// Size and Fields are soft. A section beyond them is decoded to its end, to keep the
	// dynamic table in step with the peer's, but no longer collected; Info.Truncated tells.
	Size   uint32
	Fields uint32
	// HardSize and HardFields end decoding with an error. HardSize also bounds any single string.
	HardSize   uint32
	HardFields uint32
}

// DefaultLimits are the limits of a gRPC peer: 16 KiB and 128 fields, four times that hard.
// 8 KiB is what most peers accept; twice that leaves room for large tokens.
var DefaultLimits = Limits{Size: 16 << 10, Fields: 128, HardSize: 64 << 10, HardFields: 512}

// Info describes a decoded field section.
type Info struct {
	Size      uint64 // of all its fields, as Limits counts
	Fields    uint32 // how many it has
	Truncated bool   // a soft limit was exceeded: not all fields were collected
}

// maxScratch is the largest buffer for Huffman-coded text an idle decoder keeps.
const maxScratch = 1 << 10

// A Decoder decodes the field blocks of one direction of a connection, in order.
//
// What it keeps is bounded by the table's size (4 KiB of strings and 5 KiB of entries at the
// default of 4096) and 5 KiB for its cache of strings.
type Decoder struct {
	// owned by the caller of Decode

	table table
	// allowed is our SETTINGS_HEADER_TABLE_SIZE; wantUpdate is set while the peer owes us
	// the size update that follows its reduction.
	allowed    uint32
	wantUpdate bool
	strings    *Interner // lent; nil: one of its own from the first literal on
	scratch    []byte
}

// NewDecoder returns a decoder whose dynamic table is and may be maxTable bytes large. That of a
// connection is 4096 until the peer has seen our SETTINGS (RFC 9113 §6.5.2), whatever they say;
// see [Decoder.SetMaxTableSize].
func NewDecoder(maxTable uint32) *Decoder {
	return &Decoder{table: table{max: maxTable}, allowed: maxTable}
}

// Lend gives the decoder a cache of strings to use until the next call, so that connections that
// are idle need not hold one each. Equal bytes give equal strings, whichever peer sent them first:
// sharing shows nothing of one peer to another. nil takes it back.
func (d *Decoder) Lend(strings *Interner) { d.strings = strings }

// SetMaxTableSize makes n the largest table size the peer may choose. Call it when the peer
// has acknowledged a SETTINGS_HEADER_TABLE_SIZE of n; for an increase it may be called when
// the SETTINGS frame is sent.
func (d *Decoder) SetMaxTableSize(n uint32) {
	d.allowed = n
	// RFC 9113 §4.3.1: "An endpoint MUST treat a field block that follows an acknowledgment of
	// the reduction to the maximum dynamic table size as a connection error [...] of type
	// COMPRESSION_ERROR if it does not start with a conformant Dynamic Table Size Update
	// instruction."
	d.wantUpdate = n < d.table.max
}

// Decode decodes a complete field block and appends its fields to dst. The block is not kept;
// the strings are immutable and may be kept. Fields found in a table, and literals met
// recently, cost no allocation.
//
// An error ends the connection: the table is then in no known state and the decoder must not
// be used again. dst, perhaps grown, is returned in any case, so that its array can be reused.
func (d *Decoder) Decode(dst []Field, block []byte, lim *Limits) ([]Field, Info, *Error) {
	s := section{d: d, lim: lim, fields: dst, block: block}
	err := s.decode()
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
	return s.fields, s.info, err
}

// A section is the state of one Decode call.
type section struct {
	d      *Decoder
	lim    *Limits
	block  []byte
	pos    int
	fields []Field
	info   Info
}

func (s *section) decode() *Error {
	if err := s.sizeUpdates(); err != nil {
		return err
	}
	for s.pos < len(s.block) {
		var err *Error
		switch b := s.block[s.pos]; {
		case b&0x80 != 0: // RFC 7541 §6.1
			err = s.indexed()
		case b&0xc0 == 0x40: // §6.2.1, incremental indexing
			err = s.literal(6, true, false)
		case b&0xe0 == 0x20: // §6.3
			// RFC 7541 §4.2: "This dynamic table size update MUST occur at the beginning of the
			// first header block following the change to the dynamic table size."
			err = errUpdateLate
		default: // §6.2.2, without indexing; §6.2.3, never indexed
			err = s.literal(4, false, b&0x10 != 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sizeUpdates reads the dynamic table size updates at the start of the block.
func (s *section) sizeUpdates() *Error {
	for n := 0; s.pos < len(s.block) && s.block[s.pos]&0xe0 == 0x20; n++ {
		// RFC 7541 §4.2: the smallest and the final size are signaled, "resulting in at most
		// two dynamic table size updates".
		if n == 2 {
			return errUpdateCount
		}
		size, next, err := readInt(s.block, s.pos, 5)
		if err != nil {
			return err
		}
		// RFC 7541 §6.3: "The new maximum size MUST be lower than or equal to the limit
		// determined by the protocol using HPACK. A value that exceeds this limit MUST be
		// treated as a decoding error."
		if size > s.d.allowed {
			return errUpdateRange
		}
		s.d.table.setMax(size)
		s.d.wantUpdate = false
		s.pos = next
	}
	if s.d.wantUpdate {
		return errUpdateMissing
	}
	return nil
}

// indexed reads an indexed field (RFC 7541 §6.1).
func (s *section) indexed() *Error {
	index := uint32(s.block[s.pos] & 0x7f)
	if index != 0x7f {
		s.pos++
	} else {
		var err *Error
		if index, s.pos, err = readInt(s.block, s.pos, 7); err != nil {
			return err
		}
	}
	f := s.d.lookup(index)
	if f == nil {
		// RFC 7541 §6.1: "The index value of 0 is not used. It MUST be treated as a decoding
		// error if found in an indexed header field representation."
		if index == 0 {
			return errIndexZero
		}
		// RFC 7541 §2.3.3: "Indices strictly greater than the sum of the lengths of both tables
		// MUST be treated as a decoding error."
		return errIndexRange
	}
	collect, err := s.count(uint64(len(f.Name)) + uint64(len(f.Value)))
	if collect {
		s.fields = append(s.fields, *f)
	}
	return err
}

// literal reads a literal field whose name index has an n-bit prefix (RFC 7541 §6.2).
func (s *section) literal(n uint, add, never bool) *Error {
	d := s.d
	d.scratch = d.scratch[:0]
	known, text, err := s.name(n)
	if err != nil {
		return err
	}
	value, err := s.text()
	if err != nil {
		return err
	}
	size := uint64(len(known)) + uint64(len(text)) + uint64(len(value))
	collect, err := s.count(size)
	if err != nil {
		return err
	}
	if add && !d.table.fits(size+entryOverhead) {
		// RFC 7541 §4.4: "an attempt to add an entry larger than the maximum size causes the
		// table to be emptied of all existing entries and results in an empty table."
		d.table.evictTo(0)
		add = false
	}
	if !collect && !add {
		return nil // it will not be read: make no strings
	}
	if d.strings == nil {
		d.strings = new(Interner)
	}
	f := Field{Name: known, Value: d.strings.get(value), Sensitive: never}
	if known == "" {
		f.Name = d.strings.get(text)
	}
	if collect {
		s.fields = append(s.fields, f)
	}
	if add {
		d.table.add(f)
	}
	return nil
}

// name reads the name of a literal field: from a table if it is indexed, else as text, which
// is valid until the next field.
func (s *section) name(n uint) (known string, text []byte, err *Error) {
	index, next, err := readInt(s.block, s.pos, n)
	if err != nil {
		return "", nil, err
	}
	s.pos = next
	if index == 0 {
		text, err = s.text()
		return "", text, err
	}
	f := s.d.lookup(index)
	if f == nil {
		return "", nil, errNameIndexRange
	}
	return f.Name, nil, nil
}

// lookup returns the field with the given index in the two tables' common address space
// (RFC 7541 §2.3.3), or nil.
func (d *Decoder) lookup(index uint32) *Field {
	if index > staticLen {
		return d.table.at(index - staticLen)
	}
	if index == 0 {
		return nil
	}
	return &staticTable[index]
}

// count accounts for a field with so many bytes of name and value and reports whether it is
// within the soft limits.
func (s *section) count(size uint64) (collect bool, err *Error) {
	s.info.Size += size + entryOverhead
	s.info.Fields++
	if s.info.Size > uint64(s.lim.Size) || s.info.Fields > s.lim.Fields {
		s.info.Truncated = true
		if s.info.Size > uint64(s.lim.HardSize) {
			return false, errListSize
		}
		if s.info.Fields > s.lim.HardFields {
			return false, errListFields
		}
	}
	return !s.info.Truncated, nil
}

// text reads a string literal (RFC 7541 §5.2). What it returns aliases the block or the
// scratch buffer and is valid until the next field.
func (s *section) text() ([]byte, *Error) {
	if s.pos >= len(s.block) {
		return nil, errStringMissing
	}
	coded := s.block[s.pos]&0x80 != 0
	length, pos, err := readInt(s.block, s.pos, 7)
	if err != nil {
		return nil, err
	}
	if uint64(length) > uint64(len(s.block)-pos) {
		return nil, errStringTruncated
	}
	p := s.block[pos : pos+int(length)]
	s.pos = pos + int(length)
	if !coded {
		if length > s.lim.HardSize {
			return nil, errStringLong
		}
		return p, nil
	}
	d := s.d
	start := len(d.scratch)
	d.scratch, err = decodeHuffman(d.scratch, p, int(s.lim.HardSize))
	return d.scratch[start:], err
}
