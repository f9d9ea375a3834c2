package hpack

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A block of an Appendix C example: its bytes, its fields, the table after it, newest first.
type exampleBlock struct {
	hex    string
	fields []Field
	table  []Field
	size   uint32
}

type example struct {
	section string
	max     uint32 // table size
	encode  bool   // an encoder that never evicts makes these very bytes
	blocks  []exampleBlock
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("bad hex in test: %v", err)
	}
	return b
}

var (
	exReq1 = []Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"}, {Name: ":authority", Value: "www.example.com"}}
	exReq2 = append(exReq1[:4:4], Field{Name: "cache-control", Value: "no-cache"})
	exReq3 = []Field{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":path", Value: "/index.html"}, {Name: ":authority", Value: "www.example.com"}, {Name: "custom-key", Value: "custom-value"}}

	exTab1 = []Field{exReq1[3]}
	exTab2 = []Field{exReq2[4], exReq1[3]}
	exTab3 = []Field{exReq3[4], exReq2[4], exReq1[3]}

	exStatus302 = Field{Name: ":status", Value: "302"}
	exStatus307 = Field{Name: ":status", Value: "307"}
	exPrivate   = Field{Name: "cache-control", Value: "private"}
	exDate21    = Field{Name: "date", Value: "Mon, 21 Oct 2013 20:13:21 GMT"}
	exDate22    = Field{Name: "date", Value: "Mon, 21 Oct 2013 20:13:22 GMT"}
	exLocation  = Field{Name: "location", Value: "https://www.example.com"}
	exGzip      = Field{Name: "content-encoding", Value: "gzip"}
	exCookie    = Field{Name: "set-cookie", Value: "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"}

	exResp1 = []Field{exStatus302, exPrivate, exDate21, exLocation}
	exResp2 = []Field{exStatus307, exPrivate, exDate21, exLocation}
	exResp3 = []Field{{Name: ":status", Value: "200"}, exPrivate, exDate22, exLocation, exGzip, exCookie}

	exRespTab1 = []Field{exLocation, exDate21, exPrivate, exStatus302}
	exRespTab2 = []Field{exStatus307, exLocation, exDate21, exPrivate}
	exRespTab3 = []Field{exCookie, exGzip, exDate22}
)

var examples = []example{
	{section: "C.2.1", max: 4096, blocks: []exampleBlock{{
		hex:    "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
		fields: []Field{{Name: "custom-key", Value: "custom-header"}},
		table:  []Field{{Name: "custom-key", Value: "custom-header"}}, size: 55,
	}}},
	{section: "C.2.2", max: 4096, blocks: []exampleBlock{{
		hex:    "040c 2f73 616d 706c 652f 7061 7468",
		fields: []Field{{Name: ":path", Value: "/sample/path"}},
	}}},
	{section: "C.2.3", max: 4096, blocks: []exampleBlock{{
		hex:    "1008 7061 7373 776f 7264 0673 6563 7265 74",
		fields: []Field{{Name: "password", Value: "secret", Sensitive: true}},
	}}},
	{section: "C.2.4", max: 4096, encode: true, blocks: []exampleBlock{{
		hex: "82", fields: []Field{{Name: ":method", Value: "GET"}},
	}}},
	{section: "C.3", max: 4096, blocks: []exampleBlock{
		{"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", exReq1, exTab1, 57},
		{"8286 84be 5808 6e6f 2d63 6163 6865", exReq2, exTab2, 110},
		{"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", exReq3, exTab3, 164},
	}},
	{section: "C.4", max: 4096, encode: true, blocks: []exampleBlock{
		{"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", exReq1, exTab1, 57},
		{"8286 84be 5886 a8eb 1064 9cbf", exReq2, exTab2, 110},
		{"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", exReq3, exTab3, 164},
	}},
	{section: "C.5", max: 256, blocks: []exampleBlock{
		{"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", exResp1, exRespTab1, 222},
		{"4803 3330 37c1 c0bf", exResp2, exRespTab2, 222},
		{"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31", exResp3, exRespTab3, 215},
	}},
	{section: "C.6", max: 256, blocks: []exampleBlock{
		{"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3", exResp1, exRespTab1, 222},
		{"4883 640e ffc1 c0bf", exResp2, exRespTab2, 222},
		{"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07", exResp3, exRespTab3, 215},
	}},
}

func TestRFC7541_C_Decode(t *testing.T) {
	for _, ex := range examples {
		t.Run(ex.section, func(t *testing.T) {
			d := NewDecoder(ex.max)
			for i, b := range ex.blocks {
				got, info, err := d.Decode(nil, unhex(t, b.hex), &DefaultLimits)
				if err != nil {
					t.Fatalf("block %d: %v", i+1, err)
				}
				if diff := cmp.Diff(b.fields, got); diff != "" {
					t.Errorf("block %d: fields (-want +got):\n%s", i+1, diff)
				}
				if want := (Info{Size: listSize(b.fields), Fields: uint32(len(b.fields))}); info != want {
					t.Errorf("block %d: info = %+v, want %+v", i+1, info, want)
				}
				if diff := cmp.Diff(b.table, d.table.entriesForTesting()); diff != "" {
					t.Errorf("block %d: table (-want +got):\n%s", i+1, diff)
				}
				if d.table.size != b.size {
					t.Errorf("block %d: table size = %d, want %d", i+1, d.table.size, b.size)
				}
			}
		})
	}
}

func TestRFC7541_C_Encode(t *testing.T) {
	for _, ex := range examples {
		if !ex.encode {
			continue
		}
		t.Run(ex.section, func(t *testing.T) {
			e := NewEncoder(ex.max)
			for i, b := range ex.blocks {
				got := e.BeginBlock(nil)
				for _, f := range b.fields {
					got = e.AppendField(got, f, true)
				}
				if want := unhex(t, b.hex); string(got) != string(want) {
					t.Errorf("block %d = %x, want %x", i+1, got, want)
				}
			}
		})
	}
}

func TestRFC7541_C_1_Integers(t *testing.T) {
	for _, tt := range []struct {
		section string
		v       uint64
		prefix  uint
		want    string
	}{
		{"C.1.1", 10, 5, "0a"},
		{"C.1.2", 1337, 5, "1f9a0a"},
		{"C.1.3", 42, 8, "2a"},
	} {
		got := appendInt(nil, 0, tt.prefix, tt.v)
		if hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: appendInt(%d) = %x, want %s", tt.section, tt.v, got, tt.want)
		}
		v, next, err := readInt(unhex(t, tt.want), 0, tt.prefix)
		if uint64(v) != tt.v || next != len(tt.want)/2 || err != nil {
			t.Errorf("%s: readInt(%s) = %d, %d, %v, want %d", tt.section, tt.want, v, next, err, tt.v)
		}
	}
}

// entriesForTesting returns the table's entries, newest first.
func (t *table) entriesForTesting() []Field {
	var all []Field
	for i := range t.n {
		all = append(all, *t.at(i + 1))
	}
	return all
}

func listSize(fields []Field) uint64 {
	n := uint64(0)
	for _, f := range fields {
		n += uint64(len(f.Name)+len(f.Value)) + entryOverhead
	}
	return n
}
