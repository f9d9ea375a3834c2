package hpack

// huffmanLen holds the code length in bits of each symbol of RFC 7541 Appendix B; 256 is EOS.
// The code is canonical (codes of equal length follow the order of their symbols, shorter
// codes come first), so that the lengths are the whole of it.
var huffmanLen = [257]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
}

const (
	huffmanEOS    = 256
	huffmanMaxLen = 30
	// rootBits is the width of the decoder's first look-up. Eight bits resolve every symbol
	// that is usual in a field in 512 bytes of table, which stay in the first-level cache.
	rootBits = 8
)

// A huffmanCode is all the derived tables of the code.
type huffmanCode struct {
	// code[s] is symbol s's code, right-aligned.
	code [257]uint32
	// root[b] resolves a window whose first eight bits are b: symbol<<8 | length, 0 if the code is
	// longer.
	root [1 << rootBits]uint16
	// For codes longer than rootBits: limit[n] is the first 32-bit window, left-aligned, that
	// is above every code of n bits; offset[n] makes rank of a code's last n bits.
	limit  [huffmanMaxLen + 1]uint64
	offset [huffmanMaxLen + 1]int32
	// symbols are all symbols in order of their codes.
	symbols [257]uint16
}

var huffman = newHuffmanCode()

func newHuffmanCode() *huffmanCode {
	h := new(huffmanCode)
	next, rank := uint32(0), int32(0)
	for n := uint8(1); n <= huffmanMaxLen; n++ {
		next <<= 1
		h.offset[n] = rank - int32(next)
		for s, l := range huffmanLen {
			if l != n {
				continue
			}
			h.code[s] = next
			h.symbols[rank] = uint16(s)
			if n <= rootBits {
				first := next << (rootBits - n)
				for i := range uint32(1) << (rootBits - n) {
					h.root[first+i] = uint16(s)<<8 | uint16(n)
				}
			}
			next++
			rank++
		}
		h.limit[n] = uint64(next) << (32 - n)
	}
	return h
}
