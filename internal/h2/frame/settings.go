package frame

import "strconv"

// settingLen is the size of one setting on the wire.
const settingLen = 6

// SettingID names a setting (RFC 9113 §6.5.2).
type SettingID uint16

// Settings of RFC 9113, and those of RFC 8441 and RFC 9218 whose values have rules.
const (
	SettingHeaderTableSize       SettingID = 0x1
	SettingEnablePush            SettingID = 0x2
	SettingMaxConcurrentStreams  SettingID = 0x3
	SettingInitialWindowSize     SettingID = 0x4
	SettingMaxFrameSize          SettingID = 0x5
	SettingMaxHeaderListSize     SettingID = 0x6
	SettingEnableConnectProtocol SettingID = 0x8
	SettingNoRFC7540Priorities   SettingID = 0x9
)

var settingNames = [...]string{
	1: "HEADER_TABLE_SIZE", 2: "ENABLE_PUSH", 3: "MAX_CONCURRENT_STREAMS", 4: "INITIAL_WINDOW_SIZE",
	5: "MAX_FRAME_SIZE", 6: "MAX_HEADER_LIST_SIZE", 8: "ENABLE_CONNECT_PROTOCOL", 9: "NO_RFC7540_PRIORITIES",
}

// String returns the RFC's name without "SETTINGS_", or the number if it has none.
func (id SettingID) String() string {
	if int(id) < len(settingNames) && settingNames[id] != "" {
		return settingNames[id]
	}
	return "0x" + strconv.FormatUint(uint64(id), 16)
}

// Setting is one parameter of a SETTINGS frame.
type Setting struct {
	ID    SettingID
	Value uint32
}

var (
	errEnablePush       = connError(ProtocolError, "settings_enable_push", "SETTINGS_ENABLE_PUSH other than 0 or 1")
	errServerPush       = connError(ProtocolError, "settings_server_push", "server sent SETTINGS_ENABLE_PUSH of 1")
	errInitialWindow    = connError(FlowControlError, "settings_initial_window", "SETTINGS_INITIAL_WINDOW_SIZE above 2^31-1")
	errMaxFrameSize     = connError(ProtocolError, "settings_max_frame_size", "SETTINGS_MAX_FRAME_SIZE outside 16384 to 2^24-1")
	errConnectProtocol  = connError(ProtocolError, "settings_connect_protocol", "SETTINGS_ENABLE_CONNECT_PROTOCOL other than 0 or 1")
	errNoRFC7540Setting = connError(ProtocolError, "settings_no_priorities", "SETTINGS_NO_RFC7540_PRIORITIES other than 0 or 1")
)

// Check checks the value of a received setting. fromServer tells which side sent it.
func (s Setting) Check(fromServer bool) *Error {
	switch s.ID {
	case SettingEnablePush:
		// RFC 9113 §6.5.2: "Any value other than 0 or 1 MUST be treated as a connection error
		// (Section 5.4.1) of type PROTOCOL_ERROR."
		if s.Value > 1 {
			return errEnablePush
		}
		// RFC 9113 §6.5.2: "A client MUST treat receipt of a SETTINGS frame with
		// SETTINGS_ENABLE_PUSH set to 1 as a connection error (Section 5.4.1) of type
		// PROTOCOL_ERROR."
		if s.Value == 1 && fromServer {
			return errServerPush
		}
	case SettingInitialWindowSize:
		// RFC 9113 §6.5.2: "Values above the maximum flow-control window size of 2^31-1 MUST be
		// treated as a connection error (Section 5.4.1) of type FLOW_CONTROL_ERROR."
		if s.Value > MaxWindow {
			return errInitialWindow
		}
	case SettingMaxFrameSize:
		// RFC 9113 §6.5.2: "The value advertised by an endpoint MUST be between this initial value
		// and the maximum allowed frame size (2^24-1 or 16,777,215 octets), inclusive. Values
		// outside this range MUST be treated as a connection error (Section 5.4.1) of type
		// PROTOCOL_ERROR."
		if s.Value < MinMaxFrameSize || s.Value > MaxMaxFrameSize {
			return errMaxFrameSize
		}
	case SettingEnableConnectProtocol:
		// RFC 8441 §3: "The value of the parameter MUST be 0 or 1."
		if s.Value > 1 {
			return errConnectProtocol
		}
	case SettingNoRFC7540Priorities:
		// RFC 9218 §2.1: "The value of SETTINGS_NO_RFC7540_PRIORITIES MUST be 0 or 1. Any value
		// other than 0 or 1 MUST be treated as a connection error [...] of type PROTOCOL_ERROR."
		if s.Value > 1 {
			return errNoRFC7540Setting
		}
	}
	// RFC 9113 §6.5.2: "An endpoint that receives a SETTINGS frame with any unknown or unsupported
	// identifier MUST ignore that setting."
	return nil
}

// Settings is the payload of a SETTINGS frame that passed [Header.Check].
type Settings []byte

// Len returns the number of settings.
func (s Settings) Len() int { return len(s) / settingLen }

// At returns the i-th setting. They apply in order (RFC 9113 §6.5.3).
func (s Settings) At(i int) Setting {
	p := s[i*settingLen : (i+1)*settingLen]
	return Setting{ID: SettingID(p[0])<<8 | SettingID(p[1]), Value: be32(p[2:])}
}

// AppendSettings appends a SETTINGS frame; an acknowledgment carries no settings.
func AppendSettings(dst []byte, ack bool, settings ...Setting) []byte {
	h := Header{Length: uint32(len(settings) * settingLen), Type: TypeSettings}
	if ack {
		h.Flags = FlagAck
	}
	dst = AppendHeader(dst, h)
	for _, s := range settings {
		dst = appendU32(append(dst, byte(s.ID>>8), byte(s.ID)), s.Value)
	}
	return dst
}
