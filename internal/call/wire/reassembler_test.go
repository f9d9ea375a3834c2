package wire

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/naru-rpc/naru/codes"
)

// framed returns messages with their prefixes.
func framed(messages ...[]byte) []byte {
	var b []byte
	for _, m := range messages {
		b = append(b, 0)
		b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
		b = append(b, m...)
	}
	return b
}

// drainInbox receives all complete messages.
func drainInbox(in *Reassembler) (messages [][]byte) {
	for {
		for {
			f, ok := in.Next()
			if !ok {
				break
			}
			messages = append(messages, bytes.Clone(f.body))
		}
		b := in.Take()
		in.Refill(b)
		if b == nil {
			return messages
		}
	}
}

func TestInboxAnyCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var want [][]byte
		for range rnd.IntN(20) {
			n := rnd.IntN(50)
			switch rnd.IntN(10) {
			case 0:
				n = rnd.IntN(70 << 10)
			case 1:
				n = 0
			}
			m := make([]byte, n)
			for i := range m {
				m[i] = byte(rnd.Uint32())
			}
			want = append(want, m)
		}
		wire := framed(want...)
		in := Reassembler{Limit: Limit{Bytes: 1 << 20}}
		var got [][]byte
		for rest := wire; len(rest) > 0; {
			n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(20<<10)))
			if pr := in.Add(rest[:n]); pr != nil {
				t.Fatal(pr.Text)
			}
			rest = rest[n:]
			if rnd.IntN(3) == 0 {
				got = append(got, drainInbox(&in)...)
			}
		}
		got = append(got, drainInbox(&in)...)
		if len(got) != len(want) || in.count != len(want) || in.Partial() {
			t.Fatalf("%d messages received, %d counted, partial %v; want %d", len(got), in.count, in.Partial(), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("message %d of %d bytes differs", i, len(want[i]))
			}
		}
		if left := in.Drop(); left != 0 {
			t.Fatalf("%d bytes left", left)
		}
	}
}

func TestInboxRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit int
		wire  []byte
		want  codes.Code
	}{
		{"flag 2", 100, []byte{2, 0, 0, 0, 0}, codes.Internal},
		{"flag 255", 100, []byte{255, 0, 0, 0, 0}, codes.Internal},
		{"one byte over the limit", 100, framed(make([]byte, 101)), codes.ResourceExhausted},
		{"4 GiB claimed", 4 << 20, []byte{0, 255, 255, 255, 255}, codes.ResourceExhausted},
		{"limit 0", 0, framed([]byte{1}), codes.ResourceExhausted},
	} {
		in := Reassembler{Limit: Limit{Bytes: tt.limit}}
		pr := in.Add(tt.wire)
		if pr == nil || pr.Code != tt.want {
			t.Errorf("%s: %+v, want %v", tt.name, pr, tt.want)
		}
		if in.cur != nil {
			t.Errorf("%s: a buffer was taken for a message that is refused", tt.name)
		}
	}
	in := Reassembler{Limit: Limit{Bytes: 100}}
	if pr := in.Add(framed(make([]byte, 100), nil)); pr != nil {
		t.Errorf("a message as large as the limit, and an empty one: %v", pr.Text)
	}
	in.Drop()
}

// A claim costs nothing: memory follows what has arrived.
func TestInboxClaimIsCheap(t *testing.T) {
	in := Reassembler{Limit: Limit{Bytes: 64 << 20}}
	wire := framed(make([]byte, 32<<20))
	for _, step := range []struct{ have, most int }{
		{5, 64 << 10},
		{1 << 10, 64 << 10},
		{60 << 10, 1 << 20},
		{1 << 20, 20 << 20},
	} {
		sent := 0
		if in.cur != nil {
			sent = len(in.cur.B)
		}
		if pr := in.Add(wire[sent:step.have]); pr != nil {
			t.Fatal(pr.Text)
		}
		if got := cap(in.cur.B); got > step.most {
			t.Errorf("%d bytes arrived of 32 MiB: %d bytes allocated, want at most %d", step.have, got, step.most)
		}
	}
	in.Drop()
}

// Tiny messages must not cost an object each.
func TestInboxManyTinyMessages(t *testing.T) {
	var in Reassembler
	in.Limit = Limit{Bytes: 100}
	wire := bytes.Repeat(framed([]byte{7}), 10000)
	for rest := wire; len(rest) > 0; {
		n := min(len(rest), 6)
		if pr := in.Add(rest[:n]); pr != nil {
			t.Fatal(pr.Text)
		}
		rest = rest[n:]
	}
	held := 0
	for _, b := range in.full {
		held += cap(b.B)
	}
	held += cap(in.cur.B)
	if held > 3*len(wire) {
		t.Errorf("%d bytes of wire are held in %d bytes", len(wire), held)
	}
	if n := len(drainInbox(&in)); n != 10000 {
		t.Errorf("%d messages, want 10000", n)
	}
}

func FuzzInbox(f *testing.F) {
	f.Add(framed([]byte("hello"), nil, []byte("x")), uint8(3))
	f.Add([]byte{0, 0, 0, 0}, uint8(1))
	f.Add([]byte{1, 0, 0, 0, 9, 1, 2}, uint8(2))
	f.Fuzz(func(t *testing.T, wire []byte, step uint8) {
		in := Reassembler{Limit: Limit{Bytes: 1 << 16}}
		size := int(step)%97 + 1
		var got [][]byte
		for rest := wire; len(rest) > 0; {
			n := min(len(rest), size)
			if in.Add(rest[:n]) != nil {
				in.Drop()
				in.Refill(nil)
				return
			}
			rest = rest[n:]
			if len(rest)%2 == 0 {
				got = append(got, drainInbox(&in)...)
			}
		}
		got = append(got, drainInbox(&in)...)
		out := framed(got...)
		left := in.Drop()
		for i := 0; i < len(out); i += 5 {
			n := int(binary.BigEndian.Uint32(out[i+1:]))
			out[i] = wire[i] // the flag is carried apart
			i += n
		}
		if len(out)+left != len(wire) || !bytes.Equal(out, wire[:len(out)]) {
			t.Fatalf("%d bytes in, %d out as messages, %d left", len(wire), len(out), left)
		}
	})
}

// Each message that is not complete is asked for once, also when it begins in the frame that ends
// another.
func TestInboxWants(t *testing.T) {
	in := Reassembler{Limit: Limit{Bytes: 1000}}
	wire := framed(make([]byte, 100), make([]byte, 200), nil, make([]byte, 300))
	for _, step := range []struct {
		upTo       int
		begin, end int64
	}{
		{3, 0, 0},       // half a prefix
		{50, 0, 105},    // 45 of 100 bytes
		{80, 0, 0},      // asked already
		{150, 105, 310}, // the first ends, 40 of the second are here
		{309, 0, 0},     // one byte is missing
		{315, 0, 0},     // the second and an empty one have ended
		{318, 0, 0},     // half a prefix
		{321, 315, 620}, // one of 300
		{len(wire), 0, 0},
	} {
		have := 0
		if in.cur != nil {
			have = len(in.cur.B)
		}
		for _, b := range in.full {
			have += len(b.B)
		}
		have += in.npre
		if pr := in.Add(wire[have:step.upTo]); pr != nil {
			t.Fatal(pr.Text)
		}
		if begin, end, ok := in.Want(); begin != step.begin || end != step.end || ok != (end > 0) {
			t.Errorf("at byte %d: wants %d to %d (%t), want %d to %d", step.upTo, begin, end, ok, step.begin, step.end)
		}
	}
	in.Drop()
}

// A length of 2^31 or more is only a claim, and on a 32-bit machine not one that an int can hold.
func TestInboxOfHugeLengths(t *testing.T) {
	for _, prefix := range []string{"\x00\x80\x00\x00\x00", "\x00\xff\xff\xff\xf0", "\x00\xff\xff\xff\xff"} {
		in := &Reassembler{Limit: Limit{Bytes: -1}}
		p := in.Add([]byte(prefix + "abc"))
		if refused := p != nil && p.Code == codes.ResourceExhausted; refused != (math.MaxInt == math.MaxInt32) {
			t.Errorf("length %x: %+v", prefix[1:], p)
		}
		in.Drop()
	}
}

// What follows the one message of a unary call is a problem at once: it is neither kept nor looked
// at, however many messages it is.
func TestInboxSingle(t *testing.T) {
	first := []byte("first")
	flood := bytes.Repeat(framed([]byte("x")), 10_000)
	for _, cut := range []int{1, 4, prefixLen + len(first) - 1, prefixLen + len(first), prefixLen + len(first) + 1, 1000, 1 << 20} {
		in := Reassembler{Limit: Limit{Bytes: 1 << 20}, Single: true}
		all := append(framed(first), flood...)
		var pr *Problem
		for len(all) > 0 && pr == nil {
			n := min(cut, len(all))
			pr = in.Add(all[:n])
			all = all[n:]
		}
		if pr == nil || pr.Code != codes.Unimplemented {
			t.Fatalf("in pieces of %d: %+v, want UNIMPLEMENTED", cut, pr)
		}
		if in.count != 1 {
			t.Errorf("in pieces of %d: %d messages were made, want 1", cut, in.count)
		}
		if n := cap(in.cur.B); n > firstBytes {
			t.Errorf("in pieces of %d: a buffer of %d bytes for a message of %d", cut, n, prefixLen+len(first))
		}
		in.Drop()
	}
	in := Reassembler{Limit: Limit{Bytes: 1 << 20}, Single: true}
	if pr := in.Add(framed(first)); pr != nil {
		t.Fatalf("one message: %v", pr.Text)
	}
	if got := drainInbox(&in); len(got) != 1 || !bytes.Equal(got[0], first) {
		t.Errorf("received %q", got)
	}
}
