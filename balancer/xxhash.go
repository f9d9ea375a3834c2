package balancer

import (
	"encoding/binary"
	"math/bits"
)

// XXH64, the hash that gRPC's ring_hash (gRFC A42) and random_subsetting (gRFC A68) use everywhere,
// so that clients in different languages agree. After the specification at
// github.com/Cyan4973/xxHash, doc/xxhash_spec.md.

const (
	xxPrime1 uint64 = 0x9E3779B185EBCA87
	xxPrime2 uint64 = 0xC2B2AE3D27D4EB4F
	xxPrime3 uint64 = 0x165667B19E3779F9
	xxPrime4 uint64 = 0x85EBCA77C2B2AE63
	xxPrime5 uint64 = 0x27D4EB2F165667C5
)

func xxRound(acc, lane uint64) uint64 {
	return bits.RotateLeft64(acc+lane*xxPrime2, 31) * xxPrime1
}

func xxMerge(acc, lane uint64) uint64 {
	return (acc^xxRound(0, lane))*xxPrime1 + xxPrime4
}

// xxHash64 returns the hash of s.
func xxHash64(s string, seed uint64) uint64 {
	b := []byte(s)
	size := uint64(len(b))
	var acc uint64
	if len(b) >= 32 {
		// Steps 1 to 3: stripes of 32 bytes in four lanes.
		a1, a2, a3, a4 := seed+xxPrime1+xxPrime2, seed+xxPrime2, seed, seed-xxPrime1
		for ; len(b) >= 32; b = b[32:] {
			a1 = xxRound(a1, binary.LittleEndian.Uint64(b))
			a2 = xxRound(a2, binary.LittleEndian.Uint64(b[8:]))
			a3 = xxRound(a3, binary.LittleEndian.Uint64(b[16:]))
			a4 = xxRound(a4, binary.LittleEndian.Uint64(b[24:]))
		}
		acc = bits.RotateLeft64(a1, 1) + bits.RotateLeft64(a2, 7) + bits.RotateLeft64(a3, 12) + bits.RotateLeft64(a4, 18)
		acc = xxMerge(xxMerge(xxMerge(xxMerge(acc, a1), a2), a3), a4)
	} else {
		acc = seed + xxPrime5
	}
	return xxFinish(acc+size, b)
}

// xxFinish takes in the last bytes and mixes: steps 4 to 6.
func xxFinish(acc uint64, b []byte) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		acc = bits.RotateLeft64(acc^xxRound(0, binary.LittleEndian.Uint64(b)), 27)*xxPrime1 + xxPrime4
	}
	if len(b) >= 4 {
		acc = bits.RotateLeft64(acc^uint64(binary.LittleEndian.Uint32(b))*xxPrime1, 23)*xxPrime2 + xxPrime3
		b = b[4:]
	}
	for _, c := range b {
		acc = bits.RotateLeft64(acc^uint64(c)*xxPrime5, 11) * xxPrime1
	}
	acc ^= acc >> 33
	acc *= xxPrime2
	acc ^= acc >> 29
	acc *= xxPrime3
	return acc ^ acc>>32
}
