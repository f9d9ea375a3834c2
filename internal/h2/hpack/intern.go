package hpack

import (
	"encoding/binary"
	"math/bits"
)

const (
	// 32 places hold the values a connection repeats (paths of a client that does not index
	// them, timeouts, an agent) in 512 bytes.
	internSets, internWays = 8, 4
	// Longer strings are tokens and payloads, rarely repeated and dear to keep. The bound makes
	// the cache's worst case 8*4*128 bytes: 4 KiB a connection.
	internMaxLen = 128
)

// An Interner is a cache of strings that a decoder is lent ([Decoder.Lend]). It returns equal
// strings for equal bytes without allocating, if it met them recently. In each set a string moves
// one place to the front whenever it is asked for again. A new one takes a free place or else
// starts in the middle and pushes out the last, so that no stream of unique values flushes what is
// repeated.
type Interner struct {
	sets [internSets][internWays]string
}

func (c *Interner) get(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	if len(p) > internMaxLen {
		return string(p)
	}
	set := &c.sets[hashBytes(p)%internSets]
	for i := range set {
		if set[i] == string(p) {
			s := set[i]
			if i > 0 {
				set[i], set[i-1] = set[i-1], s
			}
			return s
		}
		if set[i] == "" {
			set[i] = string(p)
			return set[i]
		}
	}
	s := string(p)
	copy(set[internWays/2+1:], set[internWays/2:])
	set[internWays/2] = s
	return s
}

// hashBytes hashes a short string. Collisions push strings out of a cache and do nothing else,
// so it needs no seed.
func hashBytes(p []byte) uint64 {
	h := uint64(len(p)) * hashMul
	for len(p) > 8 {
		hi, lo := bits.Mul64(h^binary.LittleEndian.Uint64(p), hashMul)
		h = hi ^ lo
		p = p[8:]
	}
	var w uint64
	for i, b := range p {
		w |= uint64(b) << (8 * i)
	}
	hi, lo := bits.Mul64(h^w, hashMul)
	return hi ^ lo
}

// hashMul is 2^64 divided by the golden ratio, odd: the usual multiplier of Fibonacci hashing.
const hashMul = 0x9e3779b97f4a7c15
