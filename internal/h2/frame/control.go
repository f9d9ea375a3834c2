package frame

var (
	errWindowZero       = connError(ProtocolError, "window_update_zero", "WINDOW_UPDATE of 0 for the connection")
	errStreamWindowZero = streamError(ProtocolError, "stream_window_update_zero", "WINDOW_UPDATE of 0 for a stream")
)

// ParsePing returns a PING frame's opaque data. To answer, send it back with the ACK flag
// (RFC 9113 §6.7), unless the frame has it already.
func ParsePing(payload []byte) (data [8]byte) {
	copy(data[:], payload[:8])
	return data
}

// AppendPing appends a PING frame.
func AppendPing(dst []byte, ack bool, data [8]byte) []byte {
	h := Header{Length: 8, Type: TypePing}
	if ack {
		h.Flags = FlagAck
	}
	return append(AppendHeader(dst, h), data[:]...)
}

// GoAway is a GOAWAY frame (RFC 9113 §6.8).
type GoAway struct {
	LastStreamID uint32
	Code         ErrCode
	Debug        []byte // a view of the payload: as long as the peer likes, not to be trusted
}

// ParseGoAway reads a GOAWAY frame.
func ParseGoAway(payload []byte) GoAway {
	return GoAway{
		LastStreamID: be32(payload) & MaxStreamID,
		Code:         ErrCode(be32(payload[4:])),
		Debug:        payload[8:],
	}
}

// AppendGoAway appends a GOAWAY frame.
func AppendGoAway(dst []byte, lastStreamID uint32, code ErrCode, debug string) []byte {
	dst = AppendHeader(dst, Header{Length: uint32(8 + len(debug)), Type: TypeGoAway})
	dst = appendU32(appendU32(dst, lastStreamID), uint32(code))
	return append(dst, debug...)
}

// ParseWindowUpdate returns the increment of a WINDOW_UPDATE frame, 1 to 2^31-1.
func ParseWindowUpdate(h Header, payload []byte) (increment uint32, err *Error) {
	n := be32(payload) & MaxWindow
	if n != 0 {
		return n, nil
	}
	// RFC 9113 §6.9: "A receiver MUST treat the receipt of a WINDOW_UPDATE frame with a
	// flow-control window increment of 0 as a stream error (Section 5.4.2) of type
	// PROTOCOL_ERROR; errors on the connection flow-control window MUST be treated as a
	// connection error (Section 5.4.1)."
	if h.StreamID == 0 {
		return 0, errWindowZero
	}
	return 0, errStreamWindowZero
}

// AppendWindowUpdate appends a WINDOW_UPDATE frame; stream 0 is the connection.
func AppendWindowUpdate(dst []byte, streamID, increment uint32) []byte {
	dst = AppendHeader(dst, Header{Length: 4, Type: TypeWindowUpdate, StreamID: streamID})
	return appendU32(dst, increment)
}

// ParseRSTStream returns the error code of a RST_STREAM frame.
func ParseRSTStream(payload []byte) ErrCode { return ErrCode(be32(payload)) }

// AppendRSTStream appends a RST_STREAM frame.
func AppendRSTStream(dst []byte, streamID uint32, code ErrCode) []byte {
	dst = AppendHeader(dst, Header{Length: 4, Type: TypeRSTStream, StreamID: streamID})
	return appendU32(dst, uint32(code))
}
