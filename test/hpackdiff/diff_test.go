package hpackdiff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/naru-rpc/naru/internal/h2/hpack"
	xhpack "golang.org/x/net/http2/hpack"
)

// ample limits, so that only the coding decides.
var ample = hpack.Limits{Size: 1 << 30, Fields: 1 << 30, HardSize: 1 << 30, HardFields: 1 << 30}

// A script is a sequence of blocks made from a seed: fields of which many repeat, of all
// sizes and bytes, some sensitive, and changes of the table size in between.
type script struct {
	rnd   *rand.Rand
	known []hpack.Field
}

func newScript(seed uint64) *script {
	return &script{rnd: rand.New(rand.NewPCG(seed, 7541))}
}

var names = []string{
	":method", ":path", ":status", ":authority", "content-type", "te", "user-agent", "cookie", "grpc-status",
	"grpc-timeout", "x-request-id", "authorization", "accept-encoding", "", "x",
}

var values = []string{"GET", "POST", "/", "200", "204", "application/grpc", "trailers", "0", "1S", "gzip, deflate", ""}

func (s *script) field() hpack.Field {
	if len(s.known) > 0 && s.rnd.IntN(2) == 0 {
		return s.known[s.rnd.IntN(len(s.known))]
	}
	f := hpack.Field{
		Name:      s.pick(names, 20),
		Value:     s.pick(values, 200),
		Sensitive: s.rnd.IntN(8) == 0,
	}
	s.known = append(s.known, f)
	return f
}

// pick returns one of common, or a string of up to max bytes, text or anything.
func (s *script) pick(common []string, max int) string {
	switch s.rnd.IntN(3) {
	case 0:
		b := make([]byte, s.rnd.IntN(max))
		for i := range b {
			b[i] = byte(s.rnd.Uint32())
		}
		return string(b)
	case 1:
		return fmt.Sprintf("%0*d", 1+s.rnd.IntN(max), s.rnd.Uint32())
	}
	return common[s.rnd.IntN(len(common))]
}

func (s *script) block() []hpack.Field {
	fields := make([]hpack.Field, s.rnd.IntN(12))
	for i := range fields {
		fields[i] = s.field()
	}
	return fields
}

func same(a []hpack.Field, b []xhpack.HeaderField) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value != b[i].Value || a[i].Sensitive != b[i].Sensitive {
			return false
		}
	}
	return true
}

const seeds, blocks = 300, 60

// What we encode, x/net decodes.
func TestOursToTheirs(t *testing.T) {
	for seed := range uint64(seeds) {
		s := newScript(seed)
		e, d := hpack.NewEncoder(4096), xhpack.NewDecoder(4096, nil)
		d.SetAllowedMaxDynamicTableSize(1 << 20)
		for n := range blocks {
			if s.rnd.IntN(10) == 0 {
				size := s.rnd.Uint32N(6000)
				d.SetAllowedMaxDynamicTableSize(size)
				e.SetMaxTableSize(size)
			}
			want := s.block()
			b := e.BeginBlock(nil)
			for _, f := range want {
				b = e.AppendField(b, f, s.rnd.IntN(3) > 0)
			}
			got, err := d.DecodeFull(b)
			if err != nil || !same(want, got) {
				t.Fatalf("seed %d block %d: encoded %+v as %x, they read %+v, %v", seed, n, want, b, got, err)
			}
		}
	}
}

// What x/net encodes, which evicts, we decode.
func TestTheirsToOurs(t *testing.T) {
	for seed := range uint64(seeds) {
		s := newScript(seed)
		var out buffer
		e, d := xhpack.NewEncoder(&out), hpack.NewDecoder(4096)
		for n := range blocks {
			if s.rnd.IntN(10) == 0 {
				size := s.rnd.Uint32N(6000)
				e.SetMaxDynamicTableSizeLimit(size)
				e.SetMaxDynamicTableSize(size)
				d.SetMaxTableSize(size)
			}
			want := s.block()
			out = out[:0]
			for _, f := range want {
				if err := e.WriteField(xhpack.HeaderField(f)); err != nil {
					t.Fatal(err)
				}
			}
			if len(want) == 0 {
				continue // their encoder signals a size with the first field only
			}
			got, info, err := d.Decode(nil, out, &ample)
			if err != nil || int(info.Fields) != len(want) || !equal(want, got) {
				t.Fatalf("seed %d block %d: they encoded %+v as %x, we read %+v, %v", seed, n, want, out, got, err)
			}
		}
	}
}

func equal(a, b []hpack.Field) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

type buffer []byte

func (b *buffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// stricter are the rules on which x/net is known to be more lenient than we are.
var stricter = map[string]string{
	"hpack_size_update_late":  "they let updates pass between fields while their table is empty",
	"hpack_size_update_count": "they take any number of updates",
	"hpack_varint_long":       "they take any number of zero continuation bytes",
	"hpack_varint_overflow":   "they take 63 bits",
}

// compare decodes blocks with both decoders, as one connection would.
func compare(t *testing.T, bs ...[]byte) {
	t.Helper()
	ours, theirs := hpack.NewDecoder(4096), xhpack.NewDecoder(4096, nil)
	for i, b := range bs {
		got, _, err := ours.Decode(nil, b, &ample)
		want, xerr := theirs.DecodeFull(b)
		if err != nil && xerr == nil {
			if stricter[string(err.Token)] == "" {
				t.Fatalf("block %d %x: we refuse it (%s), they read %+v", i, b, err.Token, want)
			}
			return
		}
		if err == nil && xerr != nil && beginsWithTwoUpdates(b) && strings.Contains(xerr.Error(), "table size update") {
			return // RFC 7541 §4.2 allows two; x/net refuses the second unless its table is empty
		}
		if err == nil && xerr != nil {
			t.Fatalf("block %d %x: they refuse it (%v), we read %+v", i, b, xerr, got)
		}
		if err != nil {
			return
		}
		if !same(got, want) {
			t.Fatalf("block %d %x: we read %+v, they %+v", i, b, got, want)
		}
	}
}

// beginsWithTwoUpdates tells whether the block's first two representations are size updates (RFC
// 7541 §6.3: 001, then an integer with a prefix of five bits).
func beginsWithTwoUpdates(b []byte) bool {
	for range 2 {
		if len(b) == 0 || b[0]>>5 != 1 {
			return false
		}
		n := 1
		if b[0]&31 == 31 {
			for n < len(b) && b[n]&128 != 0 {
				n++
			}
			n++
		}
		b = b[min(n, len(b)):]
	}
	return true
}

// Blocks that an encoder made and chance damaged.
func TestDamagedBlocks(t *testing.T) {
	for seed := range uint64(3000) {
		s := newScript(seed)
		var out buffer
		e := xhpack.NewEncoder(&out)
		var bs [][]byte
		for range 4 {
			out = nil
			for _, f := range s.block() {
				if err := e.WriteField(xhpack.HeaderField(f)); err != nil {
					t.Fatal(err)
				}
			}
			if len(out) > 0 && s.rnd.IntN(2) == 0 {
				out[s.rnd.IntN(len(out))] = byte(s.rnd.Uint32())
			}
			bs = append(bs, out)
		}
		compare(t, bs...)
	}
}

// FuzzDecoders looks for bytes the two decoders read differently.
func FuzzDecoders(f *testing.F) {
	f.Add([]byte{0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff}, []byte{0xbe})
	f.Add([]byte{0x20, 0x3f, 0xe1, 0x1f, 0x40, 1, 'a', 1, 'b'}, []byte{0xbe, 0x7e, 0})
	f.Fuzz(func(t *testing.T, one, two []byte) { compare(t, one, two, one) })
}

// FuzzEncoders cuts fields from the input and sends them both ways.
func FuzzEncoders(f *testing.F) {
	f.Add([]byte("te\x00trailers\x00:path\x00/a\x00te\x00trailers"), uint16(4096))
	f.Add([]byte("a\x00b\x00a\x00c"), uint16(40))
	f.Fuzz(func(t *testing.T, text []byte, size uint16) {
		fields := cut(text)
		e, d := hpack.NewEncoder(4096), xhpack.NewDecoder(4096, nil)
		var out buffer
		xe, xd := xhpack.NewEncoder(&out), hpack.NewDecoder(4096)
		for round := range 3 {
			if round == 1 {
				d.SetAllowedMaxDynamicTableSize(uint32(size))
				e.SetMaxTableSize(uint32(size))
				xe.SetMaxDynamicTableSizeLimit(uint32(size))
				xd.SetMaxTableSize(uint32(size))
			}
			b := e.BeginBlock(nil)
			out = out[:0]
			for i, f := range fields {
				b = e.AppendField(b, f, i%2 == round%2)
				if err := xe.WriteField(xhpack.HeaderField(f)); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := d.DecodeFull(b); err != nil || !same(fields, got) {
				t.Fatalf("round %d: encoded %+v as %x, they read %+v, %v", round, fields, b, got, err)
			}
			if len(fields) == 0 {
				continue
			}
			if got, _, err := xd.Decode(nil, out, &ample); err != nil || !equal(fields, got) {
				t.Fatalf("round %d: they encoded %+v as %x, we read %+v, %v", round, fields, out, got, err)
			}
		}
	})
}

func cut(text []byte) (fields []hpack.Field) {
	var parts []string
	start := 0
	for i := range len(text) + 1 {
		if i == len(text) || text[i] == 0 {
			parts = append(parts, string(text[start:i]))
			start = i + 1
		}
	}
	for i := 0; i+1 < len(parts); i += 2 {
		fields = append(fields, hpack.Field{Name: parts[i], Value: parts[i+1]})
	}
	return fields
}
