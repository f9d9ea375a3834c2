package frame

var (
	errDataPadding    = connError(ProtocolError, "data_padding", "DATA whose padding is as long as its payload")
	errHeadersPadding = connError(ProtocolError, "headers_padding", "HEADERS whose padding is longer than its field block")
	errPushPadding    = connError(ProtocolError, "push_promise_padding", "PUSH_PROMISE whose padding is longer than its field block")
)

// ParseData returns the data of a DATA frame without its padding. What the frame takes from
// the flow-control windows is h.Length: padding counts (RFC 9113 §6.9.1).
func ParseData(h Header, payload []byte) ([]byte, *Error) {
	if !h.Flags.Has(FlagPadded) {
		return payload, nil
	}
	// RFC 9113 §6.1: "If the length of the padding is the length of the frame payload or greater,
	// the recipient MUST treat this as a connection error (Section 5.4.1) of type
	// PROTOCOL_ERROR."
	return stripPadding(payload, 1, errDataPadding)
}

// stripPadding removes the pad length field and the padding. The first fixed bytes, the pad
// length included, are not padding.
func stripPadding(payload []byte, fixed int, fault *Error) ([]byte, *Error) {
	end := len(payload) - int(payload[0])
	if end < fixed {
		return nil, fault
	}
	// §6.1: "Padding octets MUST be set to zero when sending. A receiver is not obligated to
	// verify padding".
	return payload[1:end], nil
}

// AppendData appends a DATA frame. p must fit the peer's SETTINGS_MAX_FRAME_SIZE.
func AppendData(dst []byte, streamID uint32, end bool, p []byte) []byte {
	dst = AppendHeader(dst, DataHeader(streamID, end, len(p)))
	return append(dst, p...)
}

// DataHeader returns the header of an unpadded DATA frame with n bytes.
func DataHeader(streamID uint32, end bool, n int) Header {
	h := Header{Length: uint32(n), Type: TypeData, StreamID: streamID}
	if end {
		h.Flags = FlagEndStream
	}
	return h
}
