package hpack

import (
	"encoding/binary"
	"math/bits"
)

const (
	// A set has two places; 16 sets hold the values a connection repeats (paths of a client
	// that does not index them, timeouts, an agent) and cost 512 bytes.
	internSets = 16
	// Longer strings are tokens and payloads, rarely repeated and dear to keep. The bound
	// makes the cache's worst case 16*2*128 bytes: 4 KiB a connection.
	internMaxLen = 128
)

// An interner returns equal strings for equal bytes without allocating, if it met them
// recently. Its first place holds a string that was asked for at least twice and gives way
// only to another such string, so that a stream of unique values cannot flush it.
type interner struct {
	sets [internSets][2]string
}

func (c *interner) get(p []byte) string {
	if len(p) == 0 {
		return ""
	}
	if len(p) > internMaxLen {
		return string(p)
	}
	set := &c.sets[hashBytes(p)%internSets]
	if set[0] == string(p) {
		return set[0]
	}
	if set[1] == string(p) {
		set[0], set[1] = set[1], set[0]
		return set[0]
	}
	set[1] = string(p)
	return set[1]
}

// hashBytes hashes a short string. Collisions cost the peer that provokes them its own cache
// and nothing else, so it needs no seed.
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
