package frame

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tt := range []struct {
		frame []byte
		want  string
	}{
		{AppendData(nil, 1, true, []byte("secret")), "DATA stream=1 len=6 END_STREAM"},
		{AppendHeaders(nil, 3, false, 100, []byte("secret")), "HEADERS stream=3 len=6 END_HEADERS"},
		{AppendHeader(nil, Header{Type: TypeHeaders, Flags: 0x2d | 0x40, StreamID: 3}), "HEADERS stream=3 len=0 END_STREAM END_HEADERS PADDED PRIORITY flags=0x40 malformed"},
		{AppendContinuation(nil, 3, true, nil), "CONTINUATION stream=3 len=0 END_HEADERS"},
		{AppendPriority(nil, 5, Priority{DependsOn: 3, Weight: 15}), "PRIORITY stream=5 len=5 on=3 weight=16"},
		{AppendRSTStream(nil, 7, Cancel), "RST_STREAM stream=7 len=4 CANCEL"},
		{AppendSettings(nil, false, Setting{SettingMaxConcurrentStreams, 256}, Setting{0xf0, 1}), "SETTINGS len=12 MAX_CONCURRENT_STREAMS=256 0xf0=1"},
		{AppendSettings(nil, true), "SETTINGS len=0 ACK"},
		{AppendPushPromise(nil, 1, 2, true, nil), "PUSH_PROMISE stream=1 len=4 END_HEADERS promised=2"},
		{AppendPing(nil, true, [8]byte{0xde, 0xad, 7: 1}), "PING len=8 ACK dead000000000001"},
		{AppendGoAway(nil, 5, EnhanceYourCalm, "too_many_pings"), `GOAWAY len=22 last=5 ENHANCE_YOUR_CALM "too_many_pings"`},
		{AppendGoAway(nil, 5, NoError, "\n\x1b[31m"), `GOAWAY len=14 last=5 NO_ERROR "\n\x1b[31m"`},
		{AppendGoAway(nil, 0, 0x99, long), `GOAWAY len=108 last=0 0x99 "` + long[:64] + `"`},
		{AppendWindowUpdate(nil, 0, 65535), "WINDOW_UPDATE len=4 +65535"},
		{AppendHeader(nil, Header{Type: 0xbe, Flags: 1, StreamID: 9}), "UNKNOWN_0xbe stream=9 len=0 flags=0x1"},
		{AppendHeader(nil, Header{Length: 3, Type: TypePing}), "PING len=3 malformed"},
		{AppendHeader(nil, Header{Length: 8, Type: TypePing}), "PING len=8 malformed"},
	} {
		if got := Summary(ParseHeader(tt.frame), tt.frame[HeaderLen:]); got != tt.want {
			t.Errorf("Summary(%x) =\n%s, want\n%s", tt.frame, got, tt.want)
		}
	}
}
