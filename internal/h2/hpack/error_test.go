package hpack

import (
	"strings"
	"testing"
)

// allErrors is every detection site; the test below fails if one is not exercised.
var allErrors = []*Error{
	errVarintTruncated, errVarintLong, errVarintOverflow, errIndexZero, errIndexRange,
	errNameIndexRange, errStringTruncated, errStringMissing, errStringLong, errUpdateLate,
	errUpdateCount, errUpdateRange, errUpdateMissing, errHuffmanEOS, errHuffmanPadBits,
	errHuffmanPadLength, errListSize, errListFields,
}

var testLimits = Limits{Size: 100, Fields: 4, HardSize: 400, HardFields: 8}

func TestDecode_Errors(t *testing.T) {
	tests := []struct {
		name, hex string
		want      *Error
	}{
		{"6.1 index 0", "80", errIndexZero},
		{"2.3.3 first index after the tables", "be", errIndexRange},
		{"2.3.3 long index after the tables", "ffff03", errIndexRange},
		{"2.3.3 name index after the tables, indexing", "7e", errNameIndexRange},
		{"2.3.3 name index after the tables, without indexing", "0f2f", errNameIndexRange},
		{"2.3.3 name index after the tables, never indexed", "1f2f", errNameIndexRange},
		{"5.1 integer without its tail", "ff", errVarintTruncated},
		{"5.1 integer cut in its tail", "ff80", errVarintTruncated},
		{"5.1 integer of eleven bytes", "ff80808080808080808080 01", errVarintLong},
		{"5.1 33 bits in five bytes", "ffffffffff7f", errVarintOverflow},
		{"5.1 2^32", "ff81ffffff0f", errVarintOverflow},
		{"5.1 bits beyond the fifth byte", "ff808080808001", errVarintOverflow},
		{"5.1 value length overflows", "047fffffffff7f", errVarintOverflow},
		{"5.1 update overflows", "3fffffffff7f", errVarintOverflow},
		{"5.2 name missing", "00", errStringMissing},
		{"5.2 value missing", "04", errStringMissing},
		{"5.2 value missing after name", "000161", errStringMissing},
		{"5.2 string length beyond the block", "0402 61", errStringTruncated},
		{"5.2 huffman string length beyond the block", "0482 61", errStringTruncated},
		{"5.2 length of 4 GiB", "047f80ffffff0f", errStringTruncated},
		{"5.2 plain string beyond the hard limit", "04 7f9202" + strings.Repeat("61", 401), errStringLong},
		{"5.2 huffman text beyond the hard limit", "04 ff8101" + strings.Repeat("00", 256), errStringLong},
		{"5.2 EOS", "0484 ffffffff", errHuffmanEOS},
		{"5.2 EOS after a symbol", "0485 1fffffffff", errHuffmanEOS},
		{"5.2 padding of zeros", "0481 00", errHuffmanPadBits},
		{"5.2 padding of seven ones and a zero", "0481fe", errHuffmanPadBits},
		{"5.2 padding of eight ones", "0481 ff", errHuffmanPadLength},
		{"5.2 padding of eleven ones", "0482 1fff", errHuffmanPadLength},
		{"4.2 update after a field", "82 20", errUpdateLate},
		{"4.2 three updates", "20 20 20", errUpdateCount},
		{"6.3 update above the setting", "3fe21f", errUpdateRange},
		{"hard list size", strings.Repeat("90", 7), errListSize},
		{"hard fields", strings.Repeat("84", 9), errListFields},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := NewDecoder(4096).Decode(nil, unhex(t, tt.hex), &testLimits)
			if err != tt.want {
				t.Errorf("Decode(%s): error %v, want %v", tt.hex, err, tt.want)
			}
		})
	}
	covered := map[*Error]bool{errUpdateMissing: true} // TestRFC9113_4_3_1_ReductionMustBeAnswered
	for _, tt := range tests {
		covered[tt.want] = true
	}
	tokens := map[string]bool{}
	for _, e := range allErrors {
		if !covered[e] {
			t.Errorf("no test makes %s fire", e.Token)
		}
		if tokens[string(e.Token)] {
			t.Errorf("token %s names two sites", e.Token)
		}
		tokens[string(e.Token)] = true
	}
}

// Cut anywhere, a good block is an error or ends between two fields: never a panic, never a
// field that was not there.
func TestDecode_EveryPrefix(t *testing.T) {
	for _, ex := range examples {
		b := ex.blocks[0]
		block := unhex(t, b.hex)
		for n := range block {
			got, _, err := NewDecoder(ex.max).Decode(nil, block[:n], &DefaultLimits)
			if len(got) > len(b.fields) || err == nil && len(got) == len(b.fields) {
				t.Fatalf("%s cut to %d bytes: %d fields, error %v", ex.section, n, len(got), err)
			}
			for i, f := range got {
				if f != b.fields[i] {
					t.Errorf("%s cut to %d bytes: field %d = %+v, want %+v", ex.section, n, i, f, b.fields[i])
				}
			}
		}
	}
}

func TestError_Text(t *testing.T) {
	want := "hpack: indexed field with index 0"
	if got := errIndexZero.Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if errIndexZero.Code != 0x9 || errListSize.Code != 0xb {
		t.Errorf("codes = %#x, %#x, want COMPRESSION_ERROR 0x9 and ENHANCE_YOUR_CALM 0xb", errIndexZero.Code, errListSize.Code)
	}
}
