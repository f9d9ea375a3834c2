package rawproto

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// randomMessage makes fields of every wire type, nested and now and then damaged.
func randomMessage(r *rand.Rand, depth int) []byte {
	var b []byte
	for range r.IntN(5) {
		num := protowire.Number(1 + r.IntN(40))
		switch r.IntN(6) {
		case 0:
			b = protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), r.Uint64()>>r.IntN(64))
		case 1:
			b = protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), r.Uint32())
		case 2:
			b = protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), r.Uint64())
		case 3:
			text := make([]byte, r.IntN(9))
			for i := range text {
				text[i] = byte(r.Uint32()) >> r.IntN(2)
			}
			b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), text)
		case 4:
			if depth > 0 {
				b = protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), randomMessage(r, depth-1))
			}
		case 5:
			if depth > 0 {
				b = append(protowire.AppendTag(b, num, protowire.StartGroupType), randomMessage(r, depth-1)...)
				b = protowire.AppendTag(b, num, protowire.EndGroupType)
			}
		}
	}
	if len(b) > 0 && r.IntN(4) == 0 {
		b[r.IntN(len(b))] = byte(r.Uint32())
	}
	return b
}

// TestRawEqualsProtoc compares with protoc --decode_raw, if there is a protoc: the same messages
// are read, and printed the same.
func TestRawEqualsProtoc(t *testing.T) {
	protoc, err := exec.LookPath("protoc")
	if err != nil {
		t.Skip("no protoc")
	}
	r := rand.New(rand.NewPCG(7, 11))
	n, refused := 400, 0
	if testing.Short() {
		n = 20
	}
	for range n {
		in := randomMessage(r, 14)
		cmd := exec.CommandContext(t.Context(), protoc, "--decode_raw")
		cmd.Stdin = bytes.NewReader(in)
		want, theirs := cmd.Output()
		fields, ours := Parse(in)
		if (theirs != nil) != (ours != nil) {
			t.Errorf("%x: protoc says %v, we say %v", in, theirs, ours)
			continue
		}
		if ours != nil {
			refused++
			continue
		}
		if got := Raw(fields); got != string(want) {
			t.Errorf("%x\nprotoc:\n%s\nours:\n%s", in, want, got)
		}
	}
	if refused == 0 || refused > n/2 {
		t.Errorf("%d of %d messages refused: the inputs test little", refused, n)
	}
}
