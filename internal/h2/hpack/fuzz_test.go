package hpack

import (
	"bytes"
	"testing"
)

// FuzzDecode feeds a decoder any blocks and checks what must hold whatever they are.
func FuzzDecode(f *testing.F) {
	for _, ex := range examples {
		f.Add(unhex(f, ex.blocks[0].hex), unhex(f, ex.blocks[len(ex.blocks)-1].hex))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		d := NewDecoder(512)
		for _, block := range [][]byte{one, two, one} {
			fields, info, err := d.Decode(nil, block, &testLimits)
			checkTable(t, &d.table)
			if len(fields) > int(testLimits.Fields) || listSize(fields) > uint64(testLimits.Size) {
				t.Fatalf("collected %d fields of %d bytes, limits %+v", len(fields), listSize(fields), testLimits)
			}
			if err != nil {
				return
			}
			if info.Truncated != (uint32(len(fields)) != info.Fields) {
				t.Fatalf("collected %d fields, info %+v", len(fields), info)
			}
			if !info.Truncated && listSize(fields) != info.Size {
				t.Fatalf("collected %d bytes, info %+v", listSize(fields), info)
			}
			reencode(t, fields)
		}
	})
}

// checkTable checks the dynamic table's own bookkeeping.
func checkTable(t *testing.T, tab *table) {
	t.Helper()
	if size := listSize(tab.entriesForTesting()); size != uint64(tab.size) || tab.size > tab.max {
		t.Fatalf("table says %d bytes of %d, its entries take %d", tab.size, tab.max, size)
	}
}

// reencode checks that decoded fields survive our own encoder.
func reencode(t *testing.T, fields []Field) {
	t.Helper()
	e, d := NewEncoder(512), NewDecoder(512)
	for range 2 {
		block := e.BeginBlock(nil)
		for i, f := range fields {
			block = e.AppendField(block, f, i%2 == 0)
		}
		back, _, err := d.Decode(nil, block, &testLimits)
		if err != nil || !equalFields(fields, back) {
			t.Fatalf("%+v -> %x -> %+v, %v", fields, block, back, err)
		}
	}
}

func equalFields(a, b []Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// FuzzRoundTrip drives an encoder and a decoder by a script: each step sets a table size or
// adds a field to the current block, with names and values cut from the input.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("\x01\x04\x05namevalue\x01\x04\x05namevalue\x00\x20\x05\x02\x03te1"))
	f.Add([]byte("\x03\x03\x03abcdef\x80\x03\x03\x03abcdef"))
	f.Fuzz(func(t *testing.T, script []byte) {
		lim := Limits{Size: 1 << 20, Fields: 1 << 20, HardSize: 1 << 20, HardFields: 1 << 20}
		e, d := NewEncoder(4096), NewDecoder(4096)
		var fields []Field
		block := e.BeginBlock(nil)
		flush := func() {
			back, _, err := d.Decode(nil, block, &lim)
			if err != nil || !equalFields(fields, back) {
				t.Fatalf("%+v -> %x -> %+v, %v", fields, block, back, err)
			}
			checkTable(t, &d.table)
			if uint32(len(e.index.entries)) != d.table.n || e.size != d.table.size {
				t.Fatalf("encoder has %d entries of %d bytes, decoder %d of %d",
					len(e.index.entries), e.size, d.table.n, d.table.size)
			}
			fields = fields[:0]
		}
		for len(script) >= 3 {
			op, a, b := script[0], int(script[1]), int(script[2])
			script = script[3:]
			if op&0x80 != 0 {
				flush()
				if op&0x40 != 0 {
					e.SetMaxTableSize(uint32(a)<<5 | uint32(b))
				}
				block = e.BeginBlock(block[:0])
				continue
			}
			a = min(a, len(script))
			name := string(script[:a])
			b = min(b, len(script)-a)
			value := string(script[a : a+b])
			script = script[a+b:]
			field := Field{Name: name, Value: value, Sensitive: op&2 != 0}
			fields = append(fields, field)
			block = e.AppendField(block, field, op&1 != 0)
		}
		flush()
	})
}

// FuzzHuffman checks both directions: any text comes back, and what decodes is the one
// coding of its text.
func FuzzHuffman(f *testing.F) {
	f.Add([]byte("www.example.com"))
	f.Add(appendHuffman(nil, "\x00\xff~{}"))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		coded := appendHuffman(nil, string(in))
		if len(coded) != huffmanSize(string(in)) {
			t.Fatalf("huffmanSize(%x) = %d, coded %d bytes", in, huffmanSize(string(in)), len(coded))
		}
		if back, err := decodeHuffman(nil, coded, len(in)); err != nil || !bytes.Equal(back, in) {
			t.Fatalf("%x -> %x -> %x, %v", in, coded, back, err)
		}
		text, err := decodeHuffman(nil, in, 1<<20)
		if err == nil && !bytes.Equal(appendHuffman(nil, string(text)), in) {
			t.Fatalf("%x decodes to %x, whose coding is %x", in, text, appendHuffman(nil, string(text)))
		}
	})
}
