package frame

import "strconv"

// maxDebug is how much of GOAWAY's debug data a summary shows. The peer writes it.
const maxDebug = 64

// Summary returns a frame on one line, for logs and traces of tests:
//
//	HEADERS stream=1 len=25 END_STREAM END_HEADERS
//	SETTINGS len=6 MAX_CONCURRENT_STREAMS=256
//	GOAWAY len=22 last=5 ENHANCE_YOUR_CALM "too_many_pings"
//
// It takes any header and payload, legal or not, and shows no field and no data bytes: they
// may be secret.
func Summary(h Header, payload []byte) string { return string(AppendSummary(nil, h, payload)) }

// AppendSummary appends [Summary] to dst.
func AppendSummary(dst []byte, h Header, payload []byte) []byte {
	dst = append(dst, h.Type.String()...)
	if h.StreamID != 0 {
		dst = strconv.AppendUint(append(dst, " stream="...), uint64(h.StreamID), 10)
	}
	dst = strconv.AppendUint(append(dst, " len="...), uint64(h.Length), 10)
	dst = appendFlags(dst, h)
	if h.Check(MaxMaxFrameSize) != nil || int(h.Length) != len(payload) {
		return append(dst, " malformed"...)
	}
	return appendPayload(dst, h, payload)
}

func appendPayload(dst []byte, h Header, p []byte) []byte {
	switch h.Type {
	case TypePriority:
		pri, _ := ParsePriority(h, p)
		dst = strconv.AppendUint(append(dst, " on="...), uint64(pri.DependsOn), 10)
		dst = strconv.AppendUint(append(dst, " weight="...), uint64(pri.Weight)+1, 10)
	case TypeRSTStream:
		dst = append(append(dst, ' '), ParseRSTStream(p).String()...)
	case TypeSettings:
		for i := range Settings(p).Len() {
			s := Settings(p).At(i)
			dst = append(append(append(dst, ' '), s.ID.String()...), '=')
			dst = strconv.AppendUint(dst, uint64(s.Value), 10)
		}
	case TypePing:
		const digits = "0123456789abcdef"
		dst = append(dst, ' ')
		for _, b := range ParsePing(p) {
			dst = append(dst, digits[b>>4], digits[b&15])
		}
	case TypeGoAway:
		g := ParseGoAway(p)
		dst = strconv.AppendUint(append(dst, " last="...), uint64(g.LastStreamID), 10)
		dst = append(append(dst, ' '), g.Code.String()...)
		if len(g.Debug) > 0 {
			dst = strconv.AppendQuoteToASCII(append(dst, ' '), string(g.Debug[:min(len(g.Debug), maxDebug)]))
		}
	case TypeWindowUpdate:
		n, _ := ParseWindowUpdate(h, p)
		dst = strconv.AppendUint(append(dst, " +"...), uint64(n), 10)
	case TypePushPromise:
		promised, _, _ := ParsePushPromise(h, p)
		dst = strconv.AppendUint(append(dst, " promised="...), uint64(promised), 10)
	}
	return dst
}

// A flagName gives a bit its meaning for the types in the set.
type flagName struct {
	flag  Flags
	types uint16 // bit 1<<Type
	name  string
}

const endStreamTypes = 1<<TypeData | 1<<TypeHeaders

var flagNames = [...]flagName{
	{FlagEndStream, endStreamTypes, " END_STREAM"},
	{FlagAck, 1<<TypeSettings | 1<<TypePing, " ACK"},
	{FlagEndHeaders, 1<<TypeHeaders | 1<<TypePushPromise | 1<<TypeContinuation, " END_HEADERS"},
	{FlagPadded, endStreamTypes | 1<<TypePushPromise, " PADDED"},
	{FlagPriority, 1 << TypeHeaders, " PRIORITY"},
}

func appendFlags(dst []byte, h Header) []byte {
	rest := h.Flags
	for _, f := range flagNames {
		if h.Type.Known() && h.Flags.Has(f.flag) && f.types>>h.Type&1 != 0 {
			dst = append(dst, f.name...)
			rest &^= f.flag
		}
	}
	if rest != 0 {
		dst = strconv.AppendUint(append(dst, " flags=0x"...), uint64(rest), 16)
	}
	return dst
}
