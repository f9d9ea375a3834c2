package hpack

// maxVarint is the most bytes an integer may take, prefix included. Five bytes hold 32 bits;
// the rest tolerates encoders that pad with continuation bytes of zero.
const maxVarint = 10

// appendInt appends v with an n-bit prefix whose byte also carries pattern (RFC 7541 §5.1).
func appendInt(dst []byte, pattern byte, n uint, v uint64) []byte {
	limit := uint64(1)<<n - 1
	if v < limit {
		return append(dst, pattern|byte(v))
	}
	dst = append(dst, pattern|byte(limit))
	v -= limit
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// readInt reads an integer with an n-bit prefix that starts at p[i], which exists. It returns
// the value and the position after it.
func readInt(p []byte, i int, n uint) (v uint32, next int, err *Error) {
	limit := uint32(1)<<n - 1
	v = uint32(p[i]) & limit
	if v < limit {
		return v, i + 1, nil
	}
	return readIntTail(p, i+1, v)
}

func readIntTail(p []byte, i int, prefix uint32) (v uint32, next int, err *Error) {
	sum := uint64(prefix)
	for k := 0; ; k++ {
		// RFC 7541 §5.1: "Integer encodings that exceed implementation limits -- in value or
		// octet length -- MUST be treated as decoding errors."
		if k == maxVarint-1 {
			return 0, i, errVarintLong
		}
		if i >= len(p) {
			return 0, i, errVarintTruncated
		}
		b := p[i]
		i++
		if bits := uint64(b & 0x7f); bits != 0 {
			// From the sixth tail byte on any bit is beyond 32; the test also keeps the shift
			// small.
			if k > 4 {
				return 0, i, errVarintOverflow
			}
			sum += bits << (7 * k)
			if sum > 1<<32-1 {
				return 0, i, errVarintOverflow
			}
		}
		if b&0x80 == 0 {
			return uint32(sum), i, nil
		}
	}
}
