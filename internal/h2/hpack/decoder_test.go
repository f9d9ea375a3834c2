package hpack

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// literal encodes a field without any table or Huffman coding. kind is the first byte's
// pattern: 0x40 adds it to the table, 0x00 does not, 0x10 must never be.
func literal(kind byte, name, value string) []byte {
	b := appendInt([]byte{kind}, 0, 7, uint64(len(name)))
	b = append(b, name...)
	b = appendInt(b, 0, 7, uint64(len(value)))
	return append(b, value...)
}

func mustDecode(t testing.TB, d *Decoder, block []byte) []Field {
	t.Helper()
	fields, info, err := d.Decode(nil, block, &DefaultLimits)
	if err != nil {
		t.Fatalf("Decode(%x): %v", block, err)
	}
	if info.Truncated {
		t.Fatalf("Decode(%x): truncated", block)
	}
	return fields
}

func TestDecode_SoftSizeKeepsTableInStep(t *testing.T) {
	d := NewDecoder(4096)
	lim := Limits{Size: 200, Fields: 100, HardSize: 4000, HardFields: 100}
	big := strings.Repeat("x", 300)
	block := literal(0x40, "first", "1")
	block = append(block, literal(0x40, "big", big)...)
	block = append(block, literal(0x40, "last", "2")...)

	got, info, err := d.Decode(nil, block, &lim)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Field{{Name: "first", Value: "1"}}, got); diff != "" {
		t.Errorf("collected fields (-want +got):\n%s", diff)
	}
	if want := (Info{Size: 38 + 335 + 37, Fields: 3, Truncated: true}); info != want {
		t.Errorf("info = %+v, want %+v", info, want)
	}
	// The peer's next block refers to what was inserted after the limit.
	want := []Field{{Name: "last", Value: "2"}, {Name: "big", Value: big}, {Name: "first", Value: "1"}}
	if diff := cmp.Diff(want, mustDecode(t, d, []byte{0xbe, 0xbf, 0xc0})); diff != "" {
		t.Errorf("fields of the next block (-want +got):\n%s", diff)
	}
}

func TestDecode_SoftFields(t *testing.T) {
	lim := Limits{Size: 4000, Fields: 2, HardSize: 4000, HardFields: 5}
	got, info, err := NewDecoder(4096).Decode(nil, []byte{0x82, 0x84, 0x86}, &lim)
	if err != nil || len(got) != 2 || !info.Truncated || info.Fields != 3 {
		t.Errorf("3 fields with a soft limit of 2: %d fields, %+v, %v; want 2, truncated of 3, no error", len(got), info, err)
	}
	got, info, err = NewDecoder(4096).Decode(nil, []byte{0x82, 0x84}, &lim)
	if err != nil || len(got) != 2 || info.Truncated {
		t.Errorf("2 fields with a soft limit of 2: %d fields, %+v, %v; want 2, not truncated", len(got), info, err)
	}
}

// The list size counts what the tables expand to: CVE-2016-6581, a block of one-byte
// references to a large entry.
func TestDecode_BombStopsAtHardSize(t *testing.T) {
	d := NewDecoder(4096)
	mustDecode(t, d, literal(0x40, "bomb", strings.Repeat("x", 4000)))
	block := []byte(strings.Repeat("\xbe", 1<<16))
	got, info, err := d.Decode(nil, block, &DefaultLimits)
	if err != errListSize {
		t.Fatalf("error %v, want %v", err, errListSize)
	}
	if max := int(DefaultLimits.Size) / 4036; len(got) != max {
		t.Errorf("%d fields collected, want %d: the soft limit", len(got), max)
	}
	if info.Size > uint64(DefaultLimits.HardSize)+4036 {
		t.Errorf("decoding went on to %d bytes, limit %d", info.Size, DefaultLimits.HardSize)
	}
}

func TestDecode_AppendsToSlice(t *testing.T) {
	array := make([]Field, 1, 8)
	array[0] = Field{Name: "kept"}
	got, _, err := NewDecoder(4096).Decode(array, []byte{0x82}, &DefaultLimits)
	if err != nil || len(got) != 2 || got[0].Name != "kept" || &got[0] != &array[0] {
		t.Errorf("Decode into a slice with room = %v, %v; want it appended in place", got, err)
	}
}

func TestDecode_DoesNotKeepBlock(t *testing.T) {
	d := NewDecoder(4096)
	block := literal(0x40, "name", "value")
	got := mustDecode(t, d, block)
	for i := range block {
		block[i] = 0xdb
	}
	want := []Field{{Name: "name", Value: "value"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields after the block was overwritten (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, mustDecode(t, d, []byte{0xbe})); diff != "" {
		t.Errorf("table after the block was overwritten (-want +got):\n%s", diff)
	}
}

func TestRFC7541_4_4_EntryLargerThanTableEmptiesIt(t *testing.T) {
	d := NewDecoder(100)
	mustDecode(t, d, literal(0x40, "a", "b"))
	big := Field{Name: "c", Value: strings.Repeat("d", 68)}
	// The name comes from the entry that is evicted to make room.
	got := mustDecode(t, d, append(appendInt(nil, 0x40, 6, 62), literal(0, "", strings.Repeat("e", 80))[2:]...))
	if want := (Field{Name: "a", Value: strings.Repeat("e", 80)}); got[0] != want {
		t.Errorf("field = %+v, want %+v", got[0], want)
	}
	if d.table.n != 0 || d.table.size != 0 {
		t.Errorf("table has %d entries, %d bytes; want it empty", d.table.n, d.table.size)
	}
	mustDecode(t, d, literal(0x40, big.Name, big.Value[:67]))
	if d.table.n != 1 || d.table.size != 100 {
		t.Errorf("table has %d entries, %d bytes; want one that fills it", d.table.n, d.table.size)
	}
}

func TestRFC7541_4_3_SizeUpdates(t *testing.T) {
	d := NewDecoder(4096)
	for i := range 3 {
		mustDecode(t, d, literal(0x40, fmt.Sprint("n", i), "v")) // 35 bytes each
	}
	mustDecode(t, d, append(appendInt(nil, 0x20, 5, 70), 0x82))
	if d.table.n != 2 {
		t.Fatalf("%d entries after a reduction to 70 bytes, want 2", d.table.n)
	}
	if got := mustDecode(t, d, []byte{0xbf})[0].Name; got != "n1" {
		t.Errorf("oldest entry is %q, want n1: eviction starts with the oldest", got)
	}
	// Smallest, then final.
	mustDecode(t, d, append([]byte{0x20}, appendInt(nil, 0x20, 5, 4096)...))
	if d.table.n != 0 || d.table.max != 4096 {
		t.Errorf("table has %d entries, max %d; want 0, 4096", d.table.n, d.table.max)
	}
}

func TestRFC9113_4_3_1_ReductionMustBeAnswered(t *testing.T) {
	reduced := func() *Decoder {
		d := NewDecoder(4096)
		d.SetMaxTableSize(1000)
		return d
	}
	if _, _, err := reduced().Decode(nil, []byte{0x82}, &DefaultLimits); err != errUpdateMissing {
		t.Errorf("block without an update: error %v, want %v", err, errUpdateMissing)
	}
	if _, _, err := reduced().Decode(nil, appendInt(nil, 0x20, 5, 1001), &DefaultLimits); err != errUpdateRange {
		t.Errorf("update above the new setting: error %v, want %v", err, errUpdateRange)
	}
	d := reduced()
	mustDecode(t, d, append(appendInt(nil, 0x20, 5, 1000), 0x82))
	mustDecode(t, d, []byte{0x82})
	d.SetMaxTableSize(8192) // an increase obliges the peer to nothing
	mustDecode(t, d, []byte{0x82})
	mustDecode(t, d, appendInt(nil, 0x20, 5, 8192))
}

func TestTable_RingWraps(t *testing.T) {
	d := NewDecoder(10 * 38) // room for ten entries, ring of sixteen
	for i := range 1000 {
		mustDecode(t, d, literal(0x40, "name", fmt.Sprintf("%02d", i%100)))
		for k := range min(i+1, 10) {
			want := fmt.Sprintf("%02d", (i-k)%100)
			if got := d.table.at(uint32(k + 1)).Value; got != want {
				t.Fatalf("after %d insertions entry %d = %q, want %q", i+1, k+1, got, want)
			}
		}
	}
	if len(d.table.ring) != 16 {
		t.Errorf("ring of %d entries, want 16", len(d.table.ring))
	}
	if d.table.at(11) != nil || d.table.at(0) != nil || d.table.at(1<<32-1) != nil {
		t.Errorf("entries outside 1 to 10 exist")
	}
}

func TestInterner_KeepsRepeatedAmongUnique(t *testing.T) {
	c := new(Interner)
	first := c.get([]byte("999963u"))
	c.get([]byte("999963u"))
	for i := range 10_000 {
		if s := fmt.Sprint("id-", i); c.get([]byte(s)) != s {
			t.Fatalf("get(%q) returned something else", s)
		}
	}
	if again := c.get([]byte("999963u")); unsafe.StringData(again) != unsafe.StringData(first) {
		t.Error("a string met twice was forgotten for strings met once")
	}
	long := strings.Repeat("x", internMaxLen+1)
	if a, b := c.get([]byte(long)), c.get([]byte(long)); a != long || unsafe.StringData(a) == unsafe.StringData(b) {
		t.Error("a string beyond internMaxLen was kept")
	}
}

func TestDecode_Allocs(t *testing.T) {
	e, d := NewEncoder(4096), NewDecoder(4096)
	fields, _, _ := d.Decode(nil, appendBlock(e, nil, benchRequest), &DefaultLimits)
	steady := appendBlock(e, nil, benchRequest)
	steady = append(steady, literal(0x00, "grpc-timeout", "1S")...)
	steady = append(steady, literal(0x10, ":path", "/ecommerce.ProductInfo/getProduct")...)
	fields, _, _ = d.Decode(fields[:0], steady, &DefaultLimits)
	if n := testing.AllocsPerRun(100, func() { fields, _, _ = d.Decode(fields[:0], steady, &DefaultLimits) }); n != 0 {
		t.Errorf("decoding a steady block allocates %v times, want 0", n)
	}
	unique := literal(0x00, "grpc-timeout", "1234567u")
	at := len(unique) - 8
	i := 0
	n := testing.AllocsPerRun(100, func() {
		i++
		unique[at+3], unique[at+2] = '0'+byte(i%10), '0'+byte(i/10%10)
		unique[at+1] = '0' + byte(i/100%10)
		fields, _, _ = d.Decode(fields[:0], unique, &DefaultLimits)
	})
	if n > 1 {
		t.Errorf("decoding one new value allocates %v times, want at most 1", n)
	}
	bad := []byte{0x80}
	if n := testing.AllocsPerRun(100, func() { d.Decode(nil, bad, &DefaultLimits) }); n != 0 {
		t.Errorf("failing allocates %v times, want 0", n)
	}
}

func TestDecoder_Memory(t *testing.T) {
	if n := unsafe.Sizeof(Decoder{}) + unsafe.Sizeof(Interner{}); n > 768 {
		t.Errorf("an active decoder takes %d bytes besides its strings, want at most 768", n)
	}
	d := NewDecoder(4096)
	mustDecode(t, d, append([]byte{0x04, 0xff}, appendInt(nil, 0, 7, 0)...)[:0])
	huge := appendString([]byte{0x04}, strings.Repeat("a", 8000))
	mustDecode(t, d, huge)
	if cap(d.scratch) > maxScratch {
		t.Errorf("decoder keeps a scratch buffer of %d bytes, want at most %d", cap(d.scratch), maxScratch)
	}
}
