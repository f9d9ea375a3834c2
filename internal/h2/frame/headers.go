package frame

var (
	errHeadersSelf  = streamError(ProtocolError, "headers_self_dependency", "HEADERS makes its stream depend on itself")
	errPrioritySelf = streamError(ProtocolError, "priority_self_dependency", "PRIORITY makes its stream depend on itself")
	errPromisedZero = connError(ProtocolError, "push_promise_zero", "PUSH_PROMISE promises stream 0")
)

// ParseHeaders returns the field block fragment of a HEADERS frame, without padding and the
// deprecated priority fields. With a stream error the fragment is returned too: it must
// be decoded, to keep the HPACK state, before the stream is reset (RFC 9113 §4.3).
func ParseHeaders(h Header, payload []byte) ([]byte, *Error) {
	p := payload
	if h.Flags.Has(FlagPadded) {
		var err *Error
		// RFC 9113 §6.2: "If the length of the padding is the length of the frame payload or
		// greater, the recipient MUST treat this as a connection error (Section 5.4.1) of type
		// PROTOCOL_ERROR." RFC 7540 §6.2 was stricter, and rightly: "Padding that exceeds the size
		// remaining for the header block fragment".
		if p, err = stripPadding(p, int(headersOverhead(h.Flags)), errHeadersPadding); err != nil {
			return nil, err
		}
	}
	if !h.Flags.Has(FlagPriority) {
		return p, nil
	}
	pri, p := parsePriority(p), p[5:]
	if pri.DependsOn == h.StreamID {
		return p, errHeadersSelf // see ParsePriority
	}
	return p, nil
}

// Priority is the deprecated priority signal (RFC 9113 §5.3.2), kept for logs.
type Priority struct {
	Exclusive bool
	DependsOn uint32
	Weight    uint8 // as on the wire: one less than the weight
}

// ParsePriority reads a PRIORITY frame. Its content is to be ignored, its rules are not.
func ParsePriority(h Header, payload []byte) (Priority, *Error) {
	p := parsePriority(payload)
	// RFC 7540 §5.3.1: "A stream cannot depend on itself. An endpoint MUST treat this as a stream
	// error (Section 5.4.2) of type PROTOCOL_ERROR." RFC 9113 dropped the scheme and the
	// sentence with it; peers and test suites of the older RFC still expect the reaction.
	if p.DependsOn == h.StreamID {
		return p, errPrioritySelf
	}
	return p, nil
}

func parsePriority(p []byte) Priority {
	dep := be32(p)
	return Priority{Exclusive: dep > MaxStreamID, DependsOn: dep & MaxStreamID, Weight: p[4]}
}

// ParsePushPromise returns the promised stream and the field block fragment of a PUSH_PROMISE
// frame. An endpoint that disabled push has refused the frame already (RFC 9113 §6.6).
func ParsePushPromise(h Header, payload []byte) (promised uint32, fragment []byte, err *Error) {
	p := payload
	if h.Flags.Has(FlagPadded) {
		// RFC 9113 §6.6: padding follows the rules of HEADERS.
		if p, err = stripPadding(p, 5, errPushPadding); err != nil {
			return 0, nil, err
		}
	}
	promised = be32(p) & MaxStreamID
	// RFC 9113 §5.1.1: "A stream identifier of zero (0x00) is used for connection control
	// messages; [it] cannot be used to establish a new stream."
	if promised == 0 {
		return 0, nil, errPromisedZero
	}
	return promised, p[4:], nil
}

// ReserveHeaders appends space for a frame header. Append a field block after it, then call
// [FinishHeaders]: so a block is encoded where it is sent from.
func ReserveHeaders(dst []byte) []byte {
	return append(dst, make([]byte, HeaderLen)...)
}

// FinishHeaders turns what follows position at, where [ReserveHeaders] left space, into a
// HEADERS frame, and into CONTINUATION frames what exceeds maxFrameSize, the peer's
// SETTINGS_MAX_FRAME_SIZE. No other frame may be sent between them (RFC 9113 §6.10); they
// are contiguous in dst.
func FinishHeaders(dst []byte, at int, streamID uint32, end bool, maxFrameSize uint32) []byte {
	n := len(dst) - at - HeaderLen
	h := Header{Length: uint32(n), Type: TypeHeaders, Flags: FlagEndHeaders, StreamID: streamID}
	if end {
		h.Flags |= FlagEndStream
	}
	if n > int(maxFrameSize) {
		dst = splitBlock(dst, at+HeaderLen, int(maxFrameSize), streamID)
		h.Length = maxFrameSize
		h.Flags &^= FlagEndHeaders
	}
	PutHeader(dst[at:], h)
	return dst
}

// splitBlock puts CONTINUATION headers into the block at dst[start:], after each size bytes. It
// moves the pieces from the last to the first, so that each is moved once.
func splitBlock(dst []byte, start, size int, streamID uint32) []byte {
	n := len(dst) - start
	pieces := (n + size - 1) / size
	dst = append(dst, make([]byte, (pieces-1)*HeaderLen)...)
	for i := pieces - 1; i > 0; i-- {
		from, length := start+i*size, min(size, n-i*size)
		to := from + i*HeaderLen
		copy(dst[to:], dst[from:from+length])
		h := Header{Length: uint32(length), Type: TypeContinuation, StreamID: streamID}
		if i == pieces-1 {
			h.Flags = FlagEndHeaders
		}
		PutHeader(dst[to-HeaderLen:], h)
	}
	return dst
}

// AppendHeaders appends a field block as a HEADERS frame and as many CONTINUATION frames as
// maxFrameSize makes necessary.
func AppendHeaders(dst []byte, streamID uint32, end bool, maxFrameSize uint32, block []byte) []byte {
	at := len(dst)
	dst = append(ReserveHeaders(dst), block...)
	return FinishHeaders(dst, at, streamID, end, maxFrameSize)
}

// AppendContinuation appends one CONTINUATION frame.
func AppendContinuation(dst []byte, streamID uint32, endHeaders bool, fragment []byte) []byte {
	h := Header{Length: uint32(len(fragment)), Type: TypeContinuation, StreamID: streamID}
	if endHeaders {
		h.Flags = FlagEndHeaders
	}
	return append(AppendHeader(dst, h), fragment...)
}

// AppendPushPromise appends one PUSH_PROMISE frame. This stack never sends one but in tests.
func AppendPushPromise(dst []byte, streamID, promised uint32, endHeaders bool, fragment []byte) []byte {
	h := Header{Length: uint32(4 + len(fragment)), Type: TypePushPromise, StreamID: streamID}
	if endHeaders {
		h.Flags = FlagEndHeaders
	}
	return append(appendU32(AppendHeader(dst, h), promised), fragment...)
}

// AppendPriority appends a PRIORITY frame. This stack never sends one but in tests.
func AppendPriority(dst []byte, streamID uint32, p Priority) []byte {
	dep := p.DependsOn
	if p.Exclusive {
		dep |= 1 << 31
	}
	dst = AppendHeader(dst, Header{Length: 5, Type: TypePriority, StreamID: streamID})
	return append(appendU32(dst, dep), p.Weight)
}
