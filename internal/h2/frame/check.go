package frame

var (
	errTooLarge = connError(FrameSizeError, "frame_too_large", "frame exceeds SETTINGS_MAX_FRAME_SIZE")

	errDataStreamZero         = connError(ProtocolError, "data_stream_zero", "DATA on stream 0")
	errHeadersStreamZero      = connError(ProtocolError, "headers_stream_zero", "HEADERS on stream 0")
	errPriorityStreamZero     = connError(ProtocolError, "priority_stream_zero", "PRIORITY on stream 0")
	errRSTStreamZero          = connError(ProtocolError, "rst_stream_zero", "RST_STREAM on stream 0")
	errPushStreamZero         = connError(ProtocolError, "push_promise_stream_zero", "PUSH_PROMISE on stream 0")
	errContinuationStreamZero = connError(ProtocolError, "continuation_stream_zero", "CONTINUATION on stream 0")
	errSettingsStream         = connError(ProtocolError, "settings_stream", "SETTINGS on a stream other than 0")
	errPingStream             = connError(ProtocolError, "ping_stream", "PING on a stream other than 0")
	errGoAwayStream           = connError(ProtocolError, "goaway_stream", "GOAWAY on a stream other than 0")

	errPriorityLength     = streamError(FrameSizeError, "priority_length", "PRIORITY of a length other than 5")
	errRSTLength          = connError(FrameSizeError, "rst_stream_length", "RST_STREAM of a length other than 4")
	errSettingsAckLength  = connError(FrameSizeError, "settings_ack_length", "SETTINGS acknowledgment with a payload")
	errSettingsLength     = connError(FrameSizeError, "settings_length", "SETTINGS of a length that is no multiple of 6")
	errPingLength         = connError(FrameSizeError, "ping_length", "PING of a length other than 8")
	errGoAwayLength       = connError(FrameSizeError, "goaway_length", "GOAWAY shorter than 8")
	errWindowUpdateLength = connError(FrameSizeError, "window_update_length", "WINDOW_UPDATE of a length other than 4")
	errDataShort          = connError(FrameSizeError, "data_short", "padded DATA without a pad length")
	errHeadersShort       = connError(FrameSizeError, "headers_short", "HEADERS too short for the fields its flags announce")
	errPushShort          = connError(FrameSizeError, "push_promise_short", "PUSH_PROMISE too short for the fields its flags announce")
)

// Check applies the rules that need nothing but the header: the size against maxFrameSize
// (our SETTINGS_MAX_FRAME_SIZE) and against what the type prescribes, and the stream id. It
// returns nil if the payload may be read. Unknown types need only fit maxFrameSize.
func (h Header) Check(maxFrameSize uint32) *Error {
	// RFC 9113 §4.2: "An endpoint MUST send an error code of FRAME_SIZE_ERROR if a frame exceeds
	// the size defined in SETTINGS_MAX_FRAME_SIZE, exceeds any limit defined for the frame type,
	// or is too small to contain mandatory frame data." An oversized DATA frame might be a
	// stream error; it ends the connection here, as its payload is not worth reading past.
	if h.Length > maxFrameSize {
		return errTooLarge
	}
	if h.StreamID == 0 {
		return h.checkConn()
	}
	return h.checkStream()
}

// checkConn checks frames on stream 0.
func (h Header) checkConn() *Error {
	switch h.Type {
	case TypeSettings:
		return h.checkSettings()
	case TypePing:
		// RFC 9113 §6.7: "Receipt of a PING frame with a length field value other than 8 MUST be
		// treated as a connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
		if h.Length != 8 {
			return errPingLength
		}
	case TypeGoAway:
		if h.Length < 8 { // §4.2, mandatory frame data
			return errGoAwayLength
		}
	case TypeWindowUpdate:
		return h.checkWindowUpdate()
	// RFC 9113 §6.1, §6.2, §6.3, §6.4, §6.6, §6.10, each for its type: "If a [...] frame is
	// received whose Stream Identifier field is 0x00, the recipient MUST respond with a
	// connection error (Section 5.4.1) of type PROTOCOL_ERROR."
	case TypeData:
		return errDataStreamZero
	case TypeHeaders:
		return errHeadersStreamZero
	case TypePriority:
		return errPriorityStreamZero
	case TypeRSTStream:
		return errRSTStreamZero
	case TypePushPromise:
		return errPushStreamZero
	case TypeContinuation:
		return errContinuationStreamZero
	}
	return nil
}

// checkStream checks frames on a stream.
func (h Header) checkStream() *Error {
	switch h.Type {
	case TypeData:
		if h.Flags.Has(FlagPadded) && h.Length < 1 {
			return errDataShort
		}
	case TypeHeaders:
		if h.Length < headersOverhead(h.Flags) {
			return errHeadersShort
		}
	case TypePushPromise:
		if h.Length < 4+padField(h.Flags) {
			return errPushShort
		}
	case TypePriority:
		// RFC 9113 §6.3: "A PRIORITY frame with a length other than 5 octets MUST be treated as a
		// stream error (Section 5.4.2) of type FRAME_SIZE_ERROR."
		if h.Length != 5 {
			return errPriorityLength
		}
	case TypeRSTStream:
		// RFC 9113 §6.4: "A RST_STREAM frame with a length other than 4 octets MUST be treated as a
		// connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
		if h.Length != 4 {
			return errRSTLength
		}
	case TypeWindowUpdate:
		return h.checkWindowUpdate()
	// RFC 9113 §6.5, §6.7, §6.8: "If an endpoint receives a [...] frame whose Stream Identifier
	// field is anything other than 0x00, the endpoint MUST respond with a connection error
	// (Section 5.4.1) of type PROTOCOL_ERROR."
	case TypeSettings:
		return errSettingsStream
	case TypePing:
		return errPingStream
	case TypeGoAway:
		return errGoAwayStream
	}
	return nil
}

func (h Header) checkSettings() *Error {
	// RFC 9113 §6.5: "Receipt of a SETTINGS frame with the ACK flag set and a length field value
	// other than 0 MUST be treated as a connection error (Section 5.4.1) of type
	// FRAME_SIZE_ERROR."
	if h.Flags.Has(FlagAck) && h.Length != 0 {
		return errSettingsAckLength
	}
	// RFC 9113 §6.5: "A SETTINGS frame with a length other than a multiple of 6 octets MUST be
	// treated as a connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
	if h.Length%settingLen != 0 {
		return errSettingsLength
	}
	return nil
}

func (h Header) checkWindowUpdate() *Error {
	// RFC 9113 §6.9: "A WINDOW_UPDATE frame with a length other than 4 octets MUST be treated as a
	// connection error (Section 5.4.1) of type FRAME_SIZE_ERROR."
	if h.Length != 4 {
		return errWindowUpdateLength
	}
	return nil
}

// padField is the size of the pad length field.
func padField(f Flags) uint32 {
	if f.Has(FlagPadded) {
		return 1
	}
	return 0
}

// headersOverhead is the size of the optional fields of HEADERS.
func headersOverhead(f Flags) uint32 {
	n := padField(f)
	if f.Has(FlagPriority) {
		n += 5
	}
	return n
}
