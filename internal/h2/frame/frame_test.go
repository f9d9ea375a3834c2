package frame

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// next cuts the first frame off b.
func next(t testing.TB, b []byte) (h Header, payload, rest []byte) {
	t.Helper()
	if len(b) < HeaderLen {
		t.Fatalf("%d bytes where a frame header should be", len(b))
	}
	h = ParseHeader(b)
	b = b[HeaderLen:]
	if len(b) < int(h.Length) {
		t.Fatalf("%v says %d bytes, %d are there", h.Type, h.Length, len(b))
	}
	return h, b[:h.Length], b[h.Length:]
}

// one is next for a slice with exactly one legal frame.
func one(t testing.TB, b []byte) (Header, []byte) {
	t.Helper()
	h, p, rest := next(t, b)
	if len(rest) != 0 {
		t.Fatalf("%d bytes after the frame", len(rest))
	}
	if err := h.Check(MaxMaxFrameSize); err != nil {
		t.Fatalf("Check(%+v): %v", h, err)
	}
	return h, p
}

func TestRFC9113_4_1_FrameHeader(t *testing.T) {
	h := Header{Length: 0x123456, Type: TypeContinuation, Flags: 0x81, StreamID: 0x7edcba98}
	b := AppendHeader(nil, h)
	if want := unhex(t, "123456 09 81 7edcba98"); !bytes.Equal(b, want) {
		t.Errorf("AppendHeader = %x, want %x", b, want)
	}
	if got := ParseHeader(b); got != h {
		t.Errorf("ParseHeader = %+v, want %+v", got, h)
	}
	b[5] |= 0x80
	if got := ParseHeader(b); got != h {
		t.Errorf("ParseHeader with the reserved bit set = %+v, want it ignored: %+v", got, h)
	}
	over := bytes.Repeat([]byte{0xaa}, 10)
	PutHeader(over, h)
	if want := append(AppendHeader(nil, h), 0xaa); !bytes.Equal(over, want) {
		t.Errorf("PutHeader = %x, want %x", over, want)
	}
}

func TestHeader_End(t *testing.T) {
	for _, tt := range []struct {
		h    Header
		want bool
	}{
		{Header{Type: TypeData, Flags: FlagEndStream}, true},
		{Header{Type: TypeHeaders, Flags: FlagEndStream | FlagEndHeaders}, true},
		{Header{Type: TypeHeaders, Flags: FlagEndHeaders}, false},
		{Header{Type: TypePing, Flags: FlagAck}, false},
		{Header{Type: TypeContinuation, Flags: 0xff}, false},
	} {
		if got := tt.h.End(); got != tt.want {
			t.Errorf("%v flags %#x: End() = %v, want %v", tt.h.Type, tt.h.Flags, got, tt.want)
		}
	}
}

func TestRFC9113_6_1_Data(t *testing.T) {
	h, p := one(t, AppendData(nil, 5, true, []byte("hello")))
	got, err := ParseData(h, p)
	if string(got) != "hello" || err != nil || !h.End() || h.StreamID != 5 {
		t.Errorf("ParseData(%+v) = %q, %v; want hello on stream 5, ended", h, got, err)
	}
	for _, tt := range []struct{ payload, want string }{
		{"00", ""}, {"00 6869", "hi"}, {"02 6869 0000", "hi"}, {"03 000000", ""}, {"01 6869 ff", "hi"},
	} {
		p := unhex(t, tt.payload)
		h := Header{Length: uint32(len(p)), Type: TypeData, Flags: FlagPadded, StreamID: 1}
		if got, err := ParseData(h, p); string(got) != tt.want || err != nil {
			t.Errorf("padded %s: %q, %v, want %q", tt.payload, got, err, tt.want)
		}
	}
}

func TestRFC9113_6_2_Headers(t *testing.T) {
	for _, tt := range []struct {
		flags         Flags
		payload, want string
	}{
		{0, "", ""},
		{0, "8286", "8286"},
		{FlagPadded, "00 8286", "8286"},
		{FlagPadded, "02 8286 0000", "8286"},
		{FlagPadded, "02 0000", ""},
		{FlagPriority, "80000003 ff 82", "82"},
		{FlagPriority, "00000000 00", ""},
		{FlagPadded | FlagPriority, "01 80000003 ff 82 00", "82"},
		{FlagPadded | FlagPriority, "02 80000003 ff 0000", ""},
	} {
		p := unhex(t, tt.payload)
		h := Header{Length: uint32(len(p)), Type: TypeHeaders, Flags: tt.flags, StreamID: 1}
		if got, err := ParseHeaders(h, p); !bytes.Equal(got, unhex(t, tt.want)) || err != nil {
			t.Errorf("flags %#x %s: %x, %v, want %s", tt.flags, tt.payload, got, err, tt.want)
		}
	}
	// The block of a stream that depends on itself must be decoded all the same.
	h := Header{Length: 6, Type: TypeHeaders, Flags: FlagPriority, StreamID: 1}
	if got, err := ParseHeaders(h, unhex(t, "00000001 00 82")); !bytes.Equal(got, []byte{0x82}) || err != errHeadersSelf {
		t.Errorf("self-dependent HEADERS: %x, %v, want the block and %v", got, err, errHeadersSelf)
	}
}

// Blocks of every length about the boundaries come back whole, in frames that no other may
// interrupt, the last and only the last with END_HEADERS.
func TestRFC9113_6_10_BlocksAreSplit(t *testing.T) {
	const size = 10
	for n := range 45 {
		block := []byte(strings.Repeat("0123456789abcdef", 3)[:n])
		b := AppendHeaders([]byte("before"), 3, n%2 == 0, size, block)
		if string(b[:6]) != "before" {
			t.Fatalf("block of %d: what was in dst is gone: %q", n, b[:6])
		}
		b = b[6:]
		var got []byte
		for i, done := 0, false; !done; i++ {
			h, p, rest := next(t, b)
			b = rest
			want := Header{Length: uint32(min(size, n-i*size)), Type: TypeContinuation, StreamID: 3}
			if i == 0 {
				want.Type = TypeHeaders
				if n%2 == 0 {
					want.Flags = FlagEndStream
				}
			}
			if n <= (i+1)*size {
				want.Flags |= FlagEndHeaders
				done = true
			}
			if h != want {
				t.Fatalf("block of %d, frame %d: %+v, want %+v", n, i, h, want)
			}
			got = append(got, p...)
		}
		if !bytes.Equal(got, block) || len(b) != 0 {
			t.Fatalf("block of %d: came back as %q, %d bytes left, want %q", n, got, len(b), block)
		}
	}
}

func TestControlFrames(t *testing.T) {
	ping := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	h, p := one(t, AppendPing(nil, true, ping))
	if got := ParsePing(p); got != ping || h.Flags != FlagAck || h.Type != TypePing {
		t.Errorf("PING = %+v, %x; want an acknowledgment of %x", h, got, ping)
	}

	h, p = one(t, AppendGoAway(nil, 7, EnhanceYourCalm, "too_many_pings"))
	if diff := cmp.Diff(GoAway{LastStreamID: 7, Code: EnhanceYourCalm, Debug: []byte("too_many_pings")}, ParseGoAway(p)); diff != "" || h.Type != TypeGoAway {
		t.Errorf("GOAWAY %+v (-want +got):\n%s", h, diff)
	}
	p[0] |= 0x80
	if got := ParseGoAway(p).LastStreamID; got != 7 {
		t.Errorf("last stream with the reserved bit set = %d, want 7", got)
	}

	h, p = one(t, AppendWindowUpdate(nil, 9, 1<<31-1))
	if n, err := ParseWindowUpdate(h, p); n != 1<<31-1 || err != nil || h.StreamID != 9 {
		t.Errorf("WINDOW_UPDATE %+v = %d, %v", h, n, err)
	}
	p[0] |= 0x80
	if n, err := ParseWindowUpdate(h, p); n != 1<<31-1 || err != nil {
		t.Errorf("increment with the reserved bit set = %d, %v, want it ignored", n, err)
	}

	h, p = one(t, AppendRSTStream(nil, 11, RefusedStream))
	if got := ParseRSTStream(p); got != RefusedStream || h.StreamID != 11 || h.Type != TypeRSTStream {
		t.Errorf("RST_STREAM %+v = %v", h, got)
	}

	pri := Priority{Exclusive: true, DependsOn: 3, Weight: 255}
	h, p = one(t, AppendPriority(nil, 13, pri))
	if got, err := ParsePriority(h, p); got != pri || err != nil {
		t.Errorf("PRIORITY %+v = %+v, %v, want %+v", h, got, err, pri)
	}

	h, p = one(t, AppendPushPromise(nil, 1, 2, true, []byte{0x82}))
	promised, block, err := ParsePushPromise(h, p)
	if promised != 2 || !bytes.Equal(block, []byte{0x82}) || err != nil || h.Flags != FlagEndHeaders {
		t.Errorf("PUSH_PROMISE %+v = %d, %x, %v", h, promised, block, err)
	}
	padded := Header{Length: 8, Type: TypePushPromise, Flags: FlagPadded, StreamID: 1}
	if promised, block, err = ParsePushPromise(padded, unhex(t, "02 00000002 82 0000")); promised != 2 || !bytes.Equal(block, []byte{0x82}) || err != nil {
		t.Errorf("padded PUSH_PROMISE = %d, %x, %v", promised, block, err)
	}

	h, p = one(t, AppendContinuation(nil, 15, false, []byte("rest")))
	if string(p) != "rest" || h.Flags != 0 || h.Type != TypeContinuation || h.StreamID != 15 {
		t.Errorf("CONTINUATION %+v = %q", h, p)
	}
}

func TestSettings(t *testing.T) {
	in := []Setting{{SettingInitialWindowSize, 1 << 20}, {0xfffe, 0xdeadbeef}, {SettingInitialWindowSize, 5}}
	h, p := one(t, AppendSettings(nil, false, in...))
	var got []Setting
	for i := range Settings(p).Len() {
		got = append(got, Settings(p).At(i))
	}
	if diff := cmp.Diff(in, got); diff != "" || h.Flags != 0 {
		t.Errorf("SETTINGS %+v (-want +got):\n%s", h, diff)
	}
	h, p = one(t, AppendSettings(nil, true))
	if h != (Header{Type: TypeSettings, Flags: FlagAck}) || Settings(p).Len() != 0 {
		t.Errorf("acknowledgment = %+v, %x", h, p)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		v    fmt.Stringer
		want string
	}{
		{TypeData, "DATA"}, {TypeContinuation, "CONTINUATION"}, {Type(0xa), "UNKNOWN_0xa"},
		{NoError, "NO_ERROR"}, {HTTP11Required, "HTTP_1_1_REQUIRED"}, {ErrCode(0xe), "0xe"}, {ErrCode(1<<32 - 1), "0xffffffff"},
		{SettingHeaderTableSize, "HEADER_TABLE_SIZE"}, {SettingNoRFC7540Priorities, "NO_RFC7540_PRIORITIES"},
		{SettingID(0), "0x0"}, {SettingID(7), "0x7"}, {SettingID(0xffff), "0xffff"},
		{ScopeStream, "stream"}, {ScopeConn, "connection"},
	} {
		if got := tt.v.String(); got != tt.want {
			t.Errorf("%T %d = %q, want %q", tt.v, tt.v, got, tt.want)
		}
	}
}

func TestAllocs(t *testing.T) {
	buf := make([]byte, 0, 4096)
	block := make([]byte, 100)
	n := testing.AllocsPerRun(100, func() {
		buf = AppendData(buf[:0], 1, true, block)
		buf = AppendHeaders(buf, 1, false, 30, block)
		buf = AppendSettings(buf, false, Setting{SettingMaxFrameSize, 1 << 14}, Setting{SettingEnablePush, 0})
		buf = AppendWindowUpdate(buf, 0, 1)
		buf = AppendPing(buf, false, [8]byte{})
		buf = AppendGoAway(buf, 1, NoError, "bye")
		for b := buf; len(b) > 0; {
			h := ParseHeader(b)
			if h.Check(MinMaxFrameSize) != nil || parse(h, b[HeaderLen:HeaderLen+h.Length]) != nil {
				panic("BUG: own frame refused")
			}
			b = b[HeaderLen+h.Length:]
		}
	})
	if n != 0 {
		t.Errorf("writing and reading frames allocates %v times, want 0", n)
	}
}
