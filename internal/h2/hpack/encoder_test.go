package hpack

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

func encodeOne(e *Encoder, f Field, index bool) []byte {
	return e.AppendField(e.BeginBlock(nil), f, index)
}

func TestEncoder_SteadyRequestIsOneByteAField(t *testing.T) {
	e := NewEncoder(4096)
	appendBlock(e, nil, benchRequest)
	if got := appendBlock(e, nil, benchRequest); len(got) != len(benchRequest) {
		t.Errorf("second identical request takes %d bytes, want %d: %x", len(got), len(benchRequest), got)
	}
}

func TestEncoder_ChangingValueCostsANameIndex(t *testing.T) {
	e := NewEncoder(4096)
	for i := range 30 {
		encodeOne(e, Field{Name: "x-filler", Value: fmt.Sprint(i)}, true)
	}
	encodeOne(e, Field{Name: "grpc-timeout", Value: "1000000u"}, false)
	size := e.size
	for i := range 100 {
		f := Field{Name: "grpc-timeout", Value: fmt.Sprintf("99%04du", i)}
		got := encodeOne(e, f, false)
		if value := appendString(nil, f.Value); len(got) > 2+len(value) || !slices.Equal(got[len(got)-len(value):], value) {
			t.Fatalf("call %d: %x, want a name index of one or two bytes and the value %x", i, got, value)
		}
	}
	if e.size != size {
		t.Errorf("table grew by %d bytes from values not to be indexed", e.size-size)
	}
}

func TestEncoder_UnindexedNamesAreBounded(t *testing.T) {
	e := NewEncoder(4096)
	for i := range 1000 {
		encodeOne(e, Field{Name: fmt.Sprint("x-", i), Value: "v"}, false)
	}
	if e.size > maxNamesTotal {
		t.Errorf("names nobody asked to index take %d bytes, want at most %d", e.size, maxNamesTotal)
	}
	before := e.size
	encodeOne(e, Field{Name: "x-large", Value: strings.Repeat("v", 100)}, false)
	if e.size != before {
		t.Error("a large value was inserted for its name")
	}
	path := Field{Name: ":path", Value: "/ecommerce.ProductInfo/getProduct"}
	encodeOne(e, path, true)
	if got := encodeOne(e, path, true); len(got) != 1 {
		t.Errorf("a path inserted after them takes %d bytes, want 1", len(got))
	}
}

func TestEncoder_NeverEvicts(t *testing.T) {
	e, d := NewEncoder(4096), NewDecoder(4096)
	first := Field{Name: "first", Value: "1"}
	mustDecode(t, d, encodeOne(e, first, true))
	for i := range 5000 {
		f := Field{Name: "x", Value: fmt.Sprint(i)}
		if got := mustDecode(t, d, encodeOne(e, f, true)); got[0] != f {
			t.Fatalf("decoded %+v, want %+v", got[0], f)
		}
		if len(e.index.entries) != int(d.table.n) || e.size != d.table.size {
			t.Fatalf("after %d fields the tables hold %d and %d entries", i, len(e.index.entries), d.table.n)
		}
	}
	if got := mustDecode(t, d, encodeOne(e, first, true)); got[0] != first {
		t.Errorf("first field became %+v", got[0])
	}
	if n := len(e.index.entries); n > maxEntries {
		t.Errorf("%d entries, want at most %d", n, maxEntries)
	}
}

func TestRFC7541_7_1_3_SensitiveIsNeverIndexed(t *testing.T) {
	e := NewEncoder(4096)
	f := Field{Name: "authorization", Value: "Bearer x", Sensitive: true}
	for range 2 {
		got := encodeOne(e, f, true)
		if got[0]&0xf0 != 0x10 {
			t.Errorf("first byte %#x, want the pattern of never-indexed literals", got[0])
		}
		if back := mustDecode(t, NewDecoder(4096), got); back[0] != f {
			t.Errorf("decoded %+v, want %+v", back[0], f)
		}
	}
	if e.size != 0 {
		t.Error("a sensitive field is in the table")
	}
	// Also when the same pair was indexed before it became sensitive.
	encodeOne(e, Field{Name: "x-key", Value: "k"}, true)
	if got := encodeOne(e, Field{Name: "x-key", Value: "k", Sensitive: true}, true); got[0]&0xf0 != 0x10 {
		t.Errorf("first byte %#x, want the pattern of never-indexed literals", got[0])
	}
}

func TestRFC7541_4_2_SizeUpdates(t *testing.T) {
	update := func(sizes ...uint64) (b []byte) {
		for _, n := range sizes {
			b = appendInt(b, 0x20, 5, n)
		}
		return b
	}
	for _, tt := range []struct {
		name string
		fill int
		set  []uint32
		want []byte
	}{
		{"nothing set", 1, nil, nil},
		{"same value", 1, []uint32{4096}, nil},
		{"more than the cap", 1, []uint32{1 << 20}, nil},
		{"reduction that holds the entries", 1, []uint32{1000}, update(1000)},
		{"reduction that does not", 60, []uint32{1000}, update(0, 1000)},
		{"reduction to nothing", 1, []uint32{0}, update(0)},
		{"smallest, then final", 1, []uint32{500, 300, 2000}, update(0, 2000)},
		{"down and up again", 1, []uint32{300, 4096}, update(0, 4096)},
		{"down, up and nothing", 1, []uint32{300, 4096, 0}, update(0)},
		{"down and up again with entries lost", 60, []uint32{1000, 4096}, update(0, 4096)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, d := NewEncoder(4096), NewDecoder(4096)
			for i := range tt.fill {
				mustDecode(t, d, encodeOne(e, Field{Name: "x", Value: fmt.Sprint(i)}, true))
			}
			for _, n := range tt.set {
				e.SetMaxTableSize(n)
			}
			got := e.BeginBlock(nil)
			if !slices.Equal(got, tt.want) {
				t.Errorf("updates = %x, want %x", got, tt.want)
			}
			if again := e.BeginBlock(nil); len(again) != 0 {
				t.Errorf("updates of the block after = %x, want none", again)
			}
			f := Field{Name: "x", Value: "0"}
			mustDecode(t, d, e.AppendField(got, f, true))
			if back := mustDecode(t, d, encodeOne(e, f, true)); back[0] != f {
				t.Errorf("decoded %+v, want %+v", back[0], f)
			}
			if d.table.n != uint32(len(e.index.entries)) || d.table.size != e.size {
				t.Errorf("decoder has %d entries of %d bytes, encoder %d of %d", d.table.n, d.table.size, len(e.index.entries), e.size)
			}
		})
	}
}

func TestEncoder_TableOfZero(t *testing.T) {
	e, d := NewEncoder(0), NewDecoder(0)
	for range 3 {
		if diff := cmp.Diff(benchRequest, mustDecode(t, d, appendBlock(e, nil, benchRequest))); diff != "" {
			t.Errorf("without a dynamic table (-want +got):\n%s", diff)
		}
	}
}

func TestEncoder_OwnLimitHolds(t *testing.T) {
	e := NewEncoder(100)
	e.SetMaxTableSize(1 << 20)
	for i := range 10 {
		encodeOne(e, Field{Name: "x", Value: fmt.Sprint(i)}, true)
	}
	if e.size > 100 || e.size < 68 {
		t.Errorf("table of %d bytes, want it filled up to the limit of 100", e.size)
	}
}

func TestEncoder_StaticTableIsFound(t *testing.T) {
	e := NewEncoder(0)
	for i := 1; i <= staticLen; i++ {
		f := staticTable[i]
		if f.Value != "" {
			if got := e.index.findPair(f.Name, f.Value); got != uint64(i) {
				t.Errorf("findPair(%q, %q) = %d, want %d", f.Name, f.Value, got, i)
			}
		}
		at := e.index.findName(f.Name)
		if at == 0 || staticTable[at].Name != f.Name {
			t.Errorf("findName(%q) = %d", f.Name, at)
		}
	}
}

func TestAppendString_TakesTheShorterCoding(t *testing.T) {
	for _, tt := range []struct {
		s    string
		want byte
	}{{"www.example.com", 0x80 | 12}, {"\x00\x01", 2}, {"", 0}, {"1", 1}, {"11", 2}, {"1111", 0x80 | 3}} {
		if got := appendString(nil, tt.s); got[0] != tt.want || len(got) != 1+int(tt.want&0x7f) {
			t.Errorf("appendString(%q) = %x, want first byte %#x", tt.s, got, tt.want)
		}
	}
}

func TestEncode_Allocs(t *testing.T) {
	e := NewEncoder(4096)
	buf := appendBlock(e, make([]byte, 0, 1024), benchRequest)
	secret := Field{Name: "authorization", Value: "Bearer abc", Sensitive: true}
	fresh := Field{Name: "x-request-id", Value: "0123456789abcdef"}
	n := testing.AllocsPerRun(100, func() {
		buf = appendBlock(e, buf[:0], benchRequest)
		buf = e.AppendField(buf, secret, false)
		buf = e.AppendField(buf, fresh, false)
	})
	if n != 0 {
		t.Errorf("encoding a steady block allocates %v times, want 0", n)
	}
}

func TestEncoder_Memory(t *testing.T) {
	if n := unsafe.Sizeof(Encoder{}); n > 600 {
		t.Errorf("an Encoder takes %d bytes, want at most 600", n)
	}
}
