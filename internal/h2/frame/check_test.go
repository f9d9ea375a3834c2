package frame

import (
	"encoding/hex"
	"strings"
	"testing"
)

// One row per rule of Header.Check. A rule's neighbour that must pass stands in okFrames.
var badFrames = []struct {
	rule string // RFC 9113 section and what is wrong
	h    Header
	want *Error
}{
	{"4.2 above SETTINGS_MAX_FRAME_SIZE", Header{Length: 16385, Type: TypeData, StreamID: 1}, errTooLarge},
	{"4.2 unknown type above SETTINGS_MAX_FRAME_SIZE", Header{Length: 16385, Type: 0xbf}, errTooLarge},
	{"4.2 SETTINGS above SETTINGS_MAX_FRAME_SIZE", Header{Length: 16386, Type: TypeSettings}, errTooLarge},
	{"6.1 DATA on stream 0", Header{Type: TypeData}, errDataStreamZero},
	{"6.1 padded DATA without pad length", Header{Type: TypeData, Flags: FlagPadded, StreamID: 1}, errDataShort},
	{"6.2 HEADERS on stream 0", Header{Type: TypeHeaders}, errHeadersStreamZero},
	{"6.2 padded HEADERS without pad length", Header{Type: TypeHeaders, Flags: FlagPadded, StreamID: 1}, errHeadersShort},
	{"6.2 HEADERS without its priority", Header{Length: 4, Type: TypeHeaders, Flags: FlagPriority, StreamID: 1}, errHeadersShort},
	{"6.2 padded HEADERS without its priority", Header{Length: 5, Type: TypeHeaders, Flags: FlagPriority | FlagPadded, StreamID: 1}, errHeadersShort},
	{"6.3 PRIORITY on stream 0", Header{Length: 5, Type: TypePriority}, errPriorityStreamZero},
	{"6.3 PRIORITY of 4", Header{Length: 4, Type: TypePriority, StreamID: 1}, errPriorityLength},
	{"6.3 PRIORITY of 6", Header{Length: 6, Type: TypePriority, StreamID: 1}, errPriorityLength},
	{"6.4 RST_STREAM on stream 0", Header{Length: 4, Type: TypeRSTStream}, errRSTStreamZero},
	{"6.4 RST_STREAM of 3", Header{Length: 3, Type: TypeRSTStream, StreamID: 1}, errRSTLength},
	{"6.4 RST_STREAM of 5", Header{Length: 5, Type: TypeRSTStream, StreamID: 1}, errRSTLength},
	{"6.5 SETTINGS on a stream", Header{Type: TypeSettings, StreamID: 1}, errSettingsStream},
	{"6.5 SETTINGS of 5", Header{Length: 5, Type: TypeSettings}, errSettingsLength},
	{"6.5 SETTINGS ACK with payload", Header{Length: 6, Type: TypeSettings, Flags: FlagAck}, errSettingsAckLength},
	{"6.6 PUSH_PROMISE on stream 0", Header{Length: 4, Type: TypePushPromise}, errPushStreamZero},
	{"6.6 PUSH_PROMISE of 3", Header{Length: 3, Type: TypePushPromise, StreamID: 1}, errPushShort},
	{"6.6 padded PUSH_PROMISE of 4", Header{Length: 4, Type: TypePushPromise, Flags: FlagPadded, StreamID: 1}, errPushShort},
	{"6.7 PING on a stream", Header{Length: 8, Type: TypePing, StreamID: 1}, errPingStream},
	{"6.7 PING of 7", Header{Length: 7, Type: TypePing}, errPingLength},
	{"6.7 PING of 9", Header{Length: 9, Type: TypePing}, errPingLength},
	{"6.8 GOAWAY on a stream", Header{Length: 8, Type: TypeGoAway, StreamID: 1}, errGoAwayStream},
	{"6.8 GOAWAY of 7", Header{Length: 7, Type: TypeGoAway}, errGoAwayLength},
	{"6.9 WINDOW_UPDATE of 3", Header{Length: 3, Type: TypeWindowUpdate}, errWindowUpdateLength},
	{"6.9 WINDOW_UPDATE of 5 on a stream", Header{Length: 5, Type: TypeWindowUpdate, StreamID: 1}, errWindowUpdateLength},
	{"6.10 CONTINUATION on stream 0", Header{Type: TypeContinuation}, errContinuationStreamZero},
}

var okFrames = []Header{
	{Length: 16384, Type: TypeData, StreamID: 1},
	{Type: TypeData, StreamID: 1, Flags: FlagEndStream},
	{Length: 1, Type: TypeData, Flags: FlagPadded, StreamID: 1},
	{Type: TypeHeaders, StreamID: 1},
	{Length: 6, Type: TypeHeaders, Flags: FlagPriority | FlagPadded, StreamID: 1},
	{Length: 5, Type: TypePriority, StreamID: 1},
	{Length: 4, Type: TypeRSTStream, StreamID: 1},
	{Type: TypeSettings},
	{Length: 18, Type: TypeSettings},
	{Type: TypeSettings, Flags: FlagAck},
	{Length: 5, Type: TypePushPromise, Flags: FlagPadded, StreamID: 1},
	{Length: 8, Type: TypePing, Flags: FlagAck},
	{Length: 8, Type: TypeGoAway},
	{Length: 100, Type: TypeGoAway},
	{Length: 4, Type: TypeWindowUpdate},
	{Length: 4, Type: TypeWindowUpdate, StreamID: 1},
	{Type: TypeContinuation, StreamID: 1},
	{Type: 0xa}, {Length: 16384, Type: 0xff, Flags: 0xff, StreamID: 7}, // §4.1: ignored
}

func TestRFC9113_HeaderCheck(t *testing.T) {
	for _, tt := range badFrames {
		if got := tt.h.Check(MinMaxFrameSize); got != tt.want {
			t.Errorf("§%s: %v, want %v", tt.rule, got, tt.want)
		}
	}
	for _, h := range okFrames {
		if got := h.Check(MinMaxFrameSize); got != nil {
			t.Errorf("%+v: %v, want no error", h, got)
		}
	}
	big := Header{Length: 1 << 20, Type: TypeData, StreamID: 1}
	if got := big.Check(1 << 20); got != nil {
		t.Errorf("frame of our SETTINGS_MAX_FRAME_SIZE: %v, want no error", got)
	}
}

// badPayloads are frames whose header is fine, as payload hex.
var badPayloads = []struct {
	rule    string
	h       Header
	payload string
	want    *Error
}{
	{"6.1 padding as long as the payload", Header{Type: TypeData, Flags: FlagPadded, StreamID: 1}, "01", errDataPadding},
	{"6.1 padding longer than the payload", Header{Type: TypeData, Flags: FlagPadded, StreamID: 1}, "ff0000", errDataPadding},
	{"6.2 padding longer than the block", Header{Type: TypeHeaders, Flags: FlagPadded, StreamID: 1}, "0282", errHeadersPadding},
	{"6.2 padding that reaches into the priority", Header{Type: TypeHeaders, Flags: FlagPadded | FlagPriority, StreamID: 1}, "02 00000000 00 82", errHeadersPadding},
	{"6.2 self-dependency", Header{Type: TypeHeaders, Flags: FlagPriority, StreamID: 1}, "00000001 00 82", errHeadersSelf},
	{"6.2 exclusive self-dependency", Header{Type: TypeHeaders, Flags: FlagPriority, StreamID: 1}, "80000001 00 82", errHeadersSelf},
	{"6.3 self-dependency", Header{Type: TypePriority, StreamID: 3}, "80000003 00", errPrioritySelf},
	{"6.6 padding longer than the block", Header{Type: TypePushPromise, Flags: FlagPadded, StreamID: 1}, "01 00000002", errPushPadding},
	{"6.6 promised stream 0", Header{Type: TypePushPromise, StreamID: 1}, "80000000", errPromisedZero},
	{"6.9 WINDOW_UPDATE of 0, connection", Header{Type: TypeWindowUpdate}, "80000000", errWindowZero},
	{"6.9 WINDOW_UPDATE of 0, stream", Header{Type: TypeWindowUpdate, StreamID: 1}, "00000000", errStreamWindowZero},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("bad hex in test: %v", err)
	}
	return b
}

// parse runs the parser of h's type and returns its error.
func parse(h Header, p []byte) (err *Error) {
	switch h.Type {
	case TypeData:
		_, err = ParseData(h, p)
	case TypeHeaders:
		_, err = ParseHeaders(h, p)
	case TypePriority:
		_, err = ParsePriority(h, p)
	case TypePushPromise:
		_, _, err = ParsePushPromise(h, p)
	case TypeWindowUpdate:
		_, err = ParseWindowUpdate(h, p)
	}
	return err
}

func TestRFC9113_Payloads(t *testing.T) {
	for _, tt := range badPayloads {
		p := unhex(t, tt.payload)
		h := tt.h
		h.Length = uint32(len(p))
		if err := h.Check(MinMaxFrameSize); err != nil {
			t.Fatalf("§%s: Check: %v; the test means to reach the payload", tt.rule, err)
		}
		if got := parse(h, p); got != tt.want {
			t.Errorf("§%s: %v, want %v", tt.rule, got, tt.want)
		}
	}
}

// RFC 9113 §5.4 lets an error of a stream end the connection, never the other way about.
func TestErrors_ScopesAndTokens(t *testing.T) {
	scopes := map[*Error]Scope{errPriorityLength: ScopeStream, errHeadersSelf: ScopeStream, errPrioritySelf: ScopeStream, errStreamWindowZero: ScopeStream}
	sizes := map[*Error]bool{errTooLarge: true, errDataShort: true, errHeadersShort: true, errPushShort: true}
	tokens := map[string]*Error{}
	check := func(e *Error) {
		scope, code := ScopeConn, ProtocolError
		if s, ok := scopes[e]; ok {
			scope = s
		}
		if sizes[e] || strings.HasSuffix(string(e.Token), "_length") {
			code = FrameSizeError
		}
		if e.Scope != scope || e.Code != code {
			t.Errorf("%s: %v error %v, want %v error %v", e.Token, e.Scope, e.Code, scope, code)
		}
		if other, ok := tokens[string(e.Token)]; ok && other != e {
			t.Errorf("token %s names two rules", e.Token)
		}
		tokens[string(e.Token)] = e
	}
	for _, tt := range badFrames {
		check(tt.want)
	}
	for _, tt := range badPayloads {
		check(tt.want)
	}
	want := "http2 frame: PING of a length other than 8 (connection error FRAME_SIZE_ERROR)"
	if got := errPingLength.Error(); got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestRFC9113_6_5_2_SettingValues(t *testing.T) {
	for _, tt := range []struct {
		s          Setting
		fromServer bool
		want       *Error
	}{
		{Setting{SettingEnablePush, 0}, false, nil},
		{Setting{SettingEnablePush, 1}, false, nil},
		{Setting{SettingEnablePush, 2}, false, errEnablePush},
		{Setting{SettingEnablePush, 0}, true, nil},
		{Setting{SettingEnablePush, 1}, true, errServerPush},
		{Setting{SettingEnablePush, 2}, true, errEnablePush},
		{Setting{SettingInitialWindowSize, 0}, false, nil},
		{Setting{SettingInitialWindowSize, 1<<31 - 1}, false, nil},
		{Setting{SettingInitialWindowSize, 1 << 31}, false, errInitialWindow},
		{Setting{SettingMaxFrameSize, 16383}, false, errMaxFrameSize}, // CVE-2026-33814
		{Setting{SettingMaxFrameSize, 0}, false, errMaxFrameSize},
		{Setting{SettingMaxFrameSize, 16384}, false, nil},
		{Setting{SettingMaxFrameSize, 1<<24 - 1}, false, nil},
		{Setting{SettingMaxFrameSize, 1 << 24}, false, errMaxFrameSize},
		{Setting{SettingHeaderTableSize, 1<<32 - 1}, false, nil},
		{Setting{SettingMaxConcurrentStreams, 0}, false, nil},
		{Setting{SettingMaxHeaderListSize, 0}, false, nil},
		{Setting{SettingEnableConnectProtocol, 1}, true, nil},
		{Setting{SettingEnableConnectProtocol, 2}, true, errConnectProtocol},
		{Setting{SettingNoRFC7540Priorities, 1}, true, nil},
		{Setting{SettingNoRFC7540Priorities, 2}, true, errNoRFC7540Setting},
		{Setting{0x7, 1<<32 - 1}, true, nil}, // unknown: ignored
		{Setting{0xffff, 1}, false, nil},
	} {
		if got := tt.s.Check(tt.fromServer); got != tt.want {
			t.Errorf("%v=%d fromServer=%v: %v, want %v", tt.s.ID, tt.s.Value, tt.fromServer, got, tt.want)
		}
	}
	if errInitialWindow.Code != FlowControlError {
		t.Errorf("initial window: code %v, want FLOW_CONTROL_ERROR", errInitialWindow.Code)
	}
}
