package frame

import (
	"bytes"
	"testing"
)

func seedFrames() [][]byte {
	return [][]byte{
		AppendData(nil, 1, true, []byte("hello")),
		AppendHeaders(nil, 1, false, 2, []byte{0x82, 0x86, 0x84}),
		AppendPriority(nil, 3, Priority{DependsOn: 1, Weight: 7}),
		AppendRSTStream(nil, 1, Cancel),
		AppendSettings(nil, false, Setting{SettingEnablePush, 0}, Setting{SettingMaxFrameSize, 1 << 14}),
		AppendSettings(nil, true),
		AppendPushPromise(nil, 1, 2, true, []byte{0x82}),
		AppendPing(nil, false, [8]byte{1}),
		AppendGoAway(nil, 1, NoError, "bye"),
		AppendWindowUpdate(nil, 0, 1),
		append(AppendHeader(nil, Header{Length: 4, Type: TypeData, Flags: FlagPadded, StreamID: 1}), 1, 'h', 'i', 0),
		append(AppendHeader(nil, Header{Length: 8, Type: TypeHeaders, Flags: FlagPadded | FlagPriority, StreamID: 1}), 1, 0, 0, 0, 0, 9, 0x82, 0),
	}
}

// FuzzParse reads any bytes as a frame through Check and the parser of its type. Whatever
// passes must be a view of the payload, and written again must read the same.
func FuzzParse(f *testing.F) {
	for _, b := range seedFrames() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < HeaderLen {
			return
		}
		h := ParseHeader(b)
		if again := ParseHeader(AppendHeader(nil, h)); again != h {
			t.Fatalf("header %+v written reads %+v", h, again)
		}
		p := b[HeaderLen:]
		if Summary(h, p) == "" {
			t.Fatal("empty summary")
		}
		h.Length = uint32(len(p))
		Summary(h, p)
		if h.Check(MinMaxFrameSize) != nil {
			return
		}
		checkRewritten(t, h, p)
	})
}

// checkRewritten parses a frame and compares it with what our writer makes of the result.
func checkRewritten(t *testing.T, h Header, p []byte) {
	var again []byte
	switch h.Type {
	case TypeData:
		data, err := ParseData(h, p)
		if err != nil {
			return
		}
		h.Flags, again = h.Flags&FlagEndStream, AppendData(nil, h.StreamID, h.End(), data)
		p = data
	case TypeHeaders, TypeContinuation:
		block, err := p, (*Error)(nil)
		if h.Type == TypeHeaders {
			block, err = ParseHeaders(h, p)
		}
		if err != nil && err != errHeadersSelf {
			return
		}
		if !bytes.Contains(p, block) {
			t.Fatalf("block %x is no part of the payload %x", block, p)
		}
		return
	case TypePriority:
		pri, _ := ParsePriority(h, p)
		again = AppendPriority(nil, h.StreamID, pri)
	case TypeRSTStream:
		again = AppendRSTStream(nil, h.StreamID, ParseRSTStream(p))
	case TypeSettings:
		var all []Setting
		for i := range Settings(p).Len() {
			s := Settings(p).At(i)
			s.Check(true)
			all = append(all, s)
		}
		h.Flags &= FlagAck
		again = AppendSettings(nil, h.Flags == FlagAck, all...)
	case TypePushPromise:
		promised, block, err := ParsePushPromise(h, p)
		if err != nil {
			return
		}
		h.Flags &= FlagEndHeaders
		again = AppendPushPromise(nil, h.StreamID, promised, h.Flags != 0, block)
		p = again[HeaderLen:]
	case TypePing:
		h.Flags &= FlagAck
		again = AppendPing(nil, h.Flags == FlagAck, ParsePing(p))
	case TypeGoAway:
		g := ParseGoAway(p)
		again = AppendGoAway(nil, g.LastStreamID, g.Code, string(g.Debug))
		p = append([]byte{p[0] & 0x7f}, p[1:]...)
	case TypeWindowUpdate:
		n, err := ParseWindowUpdate(h, p)
		if (n == 0) != (err != nil) {
			t.Fatalf("increment %d, error %v", n, err)
		}
		again = AppendWindowUpdate(nil, h.StreamID, n)
		p = append([]byte{p[0] & 0x7f}, p[1:]...)
	default:
		return
	}
	h.Length = uint32(len(p))
	if h.Type != TypeData && h.Type != TypeSettings && h.Type != TypePing && h.Type != TypePushPromise {
		h.Flags = 0 // types without flags
	}
	if want := append(AppendHeader(nil, h), p...); !bytes.Equal(again, want) {
		t.Fatalf("%v: read and written again %x, want %x", h.Type, again, want)
	}
}

// FuzzSplit checks that a block of any size split at any frame size comes back whole.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("0123456789"), uint16(3), true)
	f.Add([]byte(""), uint16(1), false)
	f.Fuzz(func(t *testing.T, block []byte, size uint16, end bool) {
		if size == 0 {
			return
		}
		b := AppendHeaders(nil, 1, end, uint32(size), block)
		var got []byte
		for first := true; ; first = false {
			h, p, rest := next(t, b)
			if h.Length > uint32(size) || (h.Type == TypeHeaders) != first || h.End() != (first && end) {
				t.Fatalf("frame %+v of a block of %d split at %d", h, len(block), size)
			}
			got, b = append(got, p...), rest
			if h.Flags.Has(FlagEndHeaders) {
				break
			}
		}
		if !bytes.Equal(got, block) || len(b) != 0 {
			t.Fatalf("block %x came back as %x, %d bytes left", block, got, len(b))
		}
	})
}
