package hpack

import (
	"bytes"
	"testing"
)

// A few codes of RFC 7541 Appendix B, one of each length class; the lengths are the table,
// the codes follow from them.
func TestRFC7541_B_Codes(t *testing.T) {
	for _, tt := range []struct {
		symbol int
		code   uint32
		length uint8
	}{
		{'0', 0x0, 5}, {'t', 0x9, 5}, {' ', 0x14, 6}, {'u', 0x2d, 6}, {':', 0x5c, 7}, {'z', 0x7b, 7},
		{'&', 0xf8, 8}, {'Z', 0xfd, 8}, {'!', 0x3f8, 10}, {'?', 0x3fc, 10}, {'\'', 0x7fa, 11}, {'|', 0x7fc, 11},
		{'#', 0xffa, 12}, {'>', 0xffb, 12}, {0, 0x1ff8, 13}, {'~', 0x1ffd, 13}, {'^', 0x3ffc, 14}, {'}', 0x3ffd, 14},
		{'<', 0x7ffc, 15}, {'{', 0x7ffe, 15}, {'\\', 0x7fff0, 19}, {208, 0x7fff2, 19}, {128, 0xfffe6, 20},
		{153, 0x1fffdc, 21}, {129, 0x3fffd2, 22}, {1, 0x7fffd8, 23}, {9, 0xffffea, 24}, {199, 0x1ffffec, 25},
		{192, 0x3ffffe0, 26}, {203, 0x7ffffde, 27}, {2, 0xfffffe2, 28}, {249, 0xffffffe, 28},
		{10, 0x3ffffffc, 30}, {22, 0x3ffffffe, 30}, {256, 0x3fffffff, 30},
	} {
		if huffman.code[tt.symbol] != tt.code || huffmanLen[tt.symbol] != tt.length {
			t.Errorf("symbol %d: code %#x of %d bits, want %#x of %d",
				tt.symbol, huffman.code[tt.symbol], huffmanLen[tt.symbol], tt.code, tt.length)
		}
	}
	sum := 0.0 // Kraft: a complete code sums to one
	for _, n := range huffmanLen {
		sum += 1 / float64(uint64(1)<<n)
	}
	if sum != 1 {
		t.Errorf("the code's Kraft sum is %v, want 1", sum)
	}
}

func TestHuffman_EverySymbolAfterEverySymbol(t *testing.T) {
	var coded, back []byte
	for a := range 256 {
		for b := range 256 {
			text := []byte{byte(a), byte(b)}
			coded = appendHuffman(coded[:0], string(text))
			if len(coded) != huffmanSize(string(text)) {
				t.Fatalf("size of %x = %d, coded %d bytes", text, huffmanSize(string(text)), len(coded))
			}
			var err *Error
			if back, err = decodeHuffman(back[:0], coded, 2); err != nil || !bytes.Equal(back, text) {
				t.Fatalf("%x -> %x -> %x, %v", text, coded, back, err)
			}
		}
	}
}

func TestHuffman_LimitIsExact(t *testing.T) {
	coded := appendHuffman(nil, "12345\x00")
	if _, err := decodeHuffman(nil, coded, 6); err != nil {
		t.Errorf("6 bytes with a limit of 6: %v", err)
	}
	for limit := range 6 {
		got, err := decodeHuffman([]byte("ab"), coded, limit)
		if err != errStringLong || len(got) != 2+limit {
			t.Errorf("6 bytes with a limit of %d: %q, %v, want %v", limit, got, err, errStringLong)
		}
	}
}
