package hpack

import (
	"encoding/binary"
	"slices"
)

// huffmanSize returns the length in bytes of s when Huffman-coded, padding included.
func huffmanSize(s string) int {
	bits := 0
	for i := 0; i < len(s); i++ {
		bits += int(huffmanLen[s[i]])
	}
	return (bits + 7) / 8
}

// appendHuffman appends s Huffman-coded and padded.
func appendHuffman(dst []byte, s string) []byte {
	var acc uint64 // the low n bits are not written yet; n < 8 between symbols
	n := uint(0)
	for i := 0; i < len(s); i++ {
		l := uint(huffmanLen[s[i]])
		acc = acc<<l | uint64(huffman.code[s[i]])
		for n += l; n >= 8; {
			n -= 8
			dst = append(dst, byte(acc>>n))
		}
	}
	if n > 0 {
		// RFC 7541 §5.2: "the most significant bits of the code corresponding to the EOS
		// (end-of-string) symbol" pad the last byte: ones.
		dst = append(dst, byte(acc<<(8-n))|byte(0xff)>>n)
	}
	return dst
}

// decodeHuffman appends the text of the Huffman-coded p to dst. If the text is longer than
// limit bytes, it appends limit of them and returns errStringLong.
func decodeHuffman(dst, p []byte, limit int) ([]byte, *Error) {
	start := len(dst)
	// No code is shorter than five bits. p is in memory, so this is bounded by what the peer sent.
	dst = slices.Grow(dst, min(limit, len(p)*8/5))
	n, err := huffmanText(dst[start:start+min(limit, len(p)*8/5)], p)
	return dst[:start+n], err
}

// huffmanText decodes p into buf and returns how much of buf it filled.
func huffmanText(buf, p []byte) (filled int, err *Error) {
	var acc uint64 // the low n bits are not decoded yet
	n := uint(0)
	for {
		if len(p) >= 4 && n <= 32 {
			acc = acc<<32 | uint64(binary.BigEndian.Uint32(p))
			p, n = p[4:], n+32
		} else {
			for n <= 56 && len(p) > 0 {
				acc = acc<<8 | uint64(p[0])
				p, n = p[1:], n+8
			}
		}
		// The first look-up settles what is usual in a field.
		for n >= rootBits {
			e := huffman.root[byte(acc>>(n-rootBits))]
			if e == 0 {
				break
			}
			if filled >= len(buf) {
				return filled, errStringLong
			}
			buf[filled] = byte(e >> 8)
			filled++
			n -= uint(e & 0xff)
		}
		if n < huffmanMaxLen && len(p) > 0 {
			continue
		}
		if n == 0 {
			return filled, nil
		}
		sym, l := decodeLong(acc, n)
		if l > n {
			return filled, checkPadding(acc, n)
		}
		if sym == huffmanEOS {
			// RFC 7541 §5.2: "A Huffman-encoded string literal containing the EOS symbol MUST be
			// treated as a decoding error."
			return filled, errHuffmanEOS
		}
		if filled >= len(buf) {
			return filled, errStringLong
		}
		buf[filled] = byte(sym)
		filled++
		n -= l
	}
}

// decodeLong resolves the code at the head of the low n bits of acc, taken as if ones
// followed. The length it returns exceeds n if the code is not complete.
func decodeLong(acc uint64, n uint) (symbol uint16, length uint) {
	var w uint64
	if n >= 32 {
		w = acc >> (n - 32) & (1<<32 - 1)
	} else {
		ones := uint64(1)<<(32-n) - 1
		w = (acc<<(32-n) | ones) & (1<<32 - 1)
	}
	for l := uint(5); l < huffmanMaxLen; l++ {
		if w < huffman.limit[l] {
			return huffman.symbols[int32(w>>(32-l))+huffman.offset[l]], l
		}
	}
	return huffman.symbols[int32(w>>(32-huffmanMaxLen))+huffman.offset[huffmanMaxLen]], huffmanMaxLen
}

// checkPadding checks the n bits left after the last symbol.
func checkPadding(acc uint64, n uint) *Error {
	// RFC 7541 §5.2: "A padding not corresponding to the most significant bits of the code for
	// the EOS symbol MUST be treated as a decoding error."
	if ones := uint64(1)<<n - 1; acc&ones != ones {
		return errHuffmanPadBits
	}
	// RFC 7541 §5.2: "A padding strictly longer than 7 bits MUST be treated as a decoding error."
	if n > 7 {
		return errHuffmanPadLength
	}
	return nil
}
