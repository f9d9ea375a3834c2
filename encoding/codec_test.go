package encoding

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func deep(t testing.TB) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(map[string]any{"a": []any{1.0, "two", map[string]any{"three": nil}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCodecsRoundTrip(t *testing.T) {
	for _, c := range []Codec{Proto(), JSON()} {
		m := deep(t)
		for _, size := range []int{c.Size(m), -1} {
			out, err := c.Append([]byte("before"), m, size)
			if err != nil {
				t.Fatalf("%s: %v", c.Name(), err)
			}
			wire, ok := bytes.CutPrefix(out, []byte("before"))
			if !ok || size >= 0 && len(wire) != size {
				t.Errorf("%s: %d bytes, want %d after what was there", c.Name(), len(wire), size)
			}
			got, _ := structpb.NewStruct(map[string]any{"old": true})
			if err := c.Unmarshal(wire, got); err != nil || !proto.Equal(got, m) {
				t.Errorf("%s: came back as %v, %v; want %v and nothing of what was in it", c.Name(), got, err, m)
			}
		}
	}
}

func TestJSONIgnoresUnknownFields(t *testing.T) {
	m := new(descriptorpb.FieldDescriptorProto)
	if err := JSON().Unmarshal([]byte(`{"name":"x","inventedLater":{"a":[1]}}`), m); err != nil || m.GetName() != "x" {
		t.Errorf("%v, %v; want the field it knows", m, err)
	}
}

func TestCodecErrors(t *testing.T) {
	required := new(descriptorpb.UninterpretedOption_NamePart) // has required fields, unset
	for _, c := range []Codec{Proto(), JSON(), Raw()} {
		dst := []byte("kept")
		if out, err := c.Append(dst, 42, c.Size(42)); err == nil || string(out) != "kept" || !strings.Contains(err.Error(), "int") {
			t.Errorf("%s: marshal of an int = %q, %v; want the type named", c.Name(), out, err)
		}
		if err := c.Unmarshal(nil, new(int)); err == nil || !strings.Contains(err.Error(), "*int") {
			t.Errorf("%s: unmarshal into an int: %v, want the type named", c.Name(), err)
		}
		if c.Name() == "raw" {
			continue
		}
		if out, err := c.Append(dst, required, c.Size(required)); err == nil || string(out) != "kept" {
			t.Errorf("%s: marshal without required fields = %q, %v", c.Name(), out, err)
		}
		if err := c.Unmarshal([]byte("\xff"), new(wrapperspb.StringValue)); err == nil || !strings.Contains(err.Error(), "StringValue") {
			t.Errorf("%s: unmarshal of rubbish: %v, want the message's type named", c.Name(), err)
		}
	}
}

func TestRawPassesThroughEveryCodec(t *testing.T) {
	in := []byte("\x00any\xff")
	for _, c := range []Codec{Proto(), JSON(), Raw()} {
		given := RawMessage(in)
		for _, m := range []any{given, &given} {
			if c.Size(m) != len(in) {
				t.Errorf("%s: size %d, want %d", c.Name(), c.Size(m), len(in))
			}
			if out, err := c.Append([]byte("x"), m, len(in)); err != nil || string(out) != "x"+string(in) {
				t.Errorf("%s: %q, %v", c.Name(), out, err)
			}
		}
		wire := bytes.Clone(in)
		var got RawMessage
		if err := c.Unmarshal(wire, &got); err != nil {
			t.Errorf("%s: %v", c.Name(), err)
		}
		kept := got
		wire[0] = 'X'
		if err := c.Unmarshal([]byte("next"), &got); err != nil || string(kept) != string(in) {
			t.Errorf("%s: the message before became %q: it must share nothing with buffers and later messages", c.Name(), kept)
		}
		if err := c.Unmarshal(nil, &got); err != nil || got == nil || len(got) != 0 {
			t.Errorf("%s: empty message = %v, %v; want empty, not nil", c.Name(), got, err)
		}
	}
}

func TestRawBytes(t *testing.T) {
	c := Raw()
	in := []byte("abc")
	for _, m := range []any{in, &in} {
		if out, err := c.Append(nil, m, c.Size(m)); err != nil || string(out) != "abc" || c.Size(m) != 3 {
			t.Errorf("%T: %q, %v", m, out, err)
		}
	}
	var got []byte
	if err := c.Unmarshal(in, &got); err != nil || string(got) != "abc" || &got[0] == &in[0] {
		t.Errorf("%q, %v; want a copy", got, err)
	}
}

// fast is a message of a generator of faster code. Its wire form is its text reversed, which
// shows that protobuf had no hand in it.
type fast struct {
	*wrapperspb.StringValue
	text  string
	lie   int // added to the size
	fails error
}

func (f *fast) SizeVT() int { return len(f.text) + f.lie }

func (f *fast) MarshalToSizedBufferVT(b []byte) (int, error) {
	for i := range f.text {
		b[len(b)-1-i] = f.text[i]
	}
	return len(f.text), f.fails
}

func (f *fast) Reset() { f.text = "" }

func (f *fast) UnmarshalVT(b []byte) error {
	for _, c := range b {
		f.text = string(c) + f.text // merges, like the real ones
	}
	return f.fails
}

func TestFasterCodeIsUsed(t *testing.T) {
	c := Proto()
	m := &fast{text: "abc"}
	for _, size := range []int{c.Size(m), -1} {
		if out, err := c.Append([]byte("x"), m, size); err != nil || string(out) != "xcba" {
			t.Errorf("marshal = %q, %v", out, err)
		}
	}
	got := &fast{text: "old"}
	if err := c.Unmarshal([]byte("cba"), got); err != nil || got.text != "abc" {
		t.Errorf("unmarshal = %q, %v; want it reset first", got.text, err)
	}
	boom := errors.New("boom")
	if out, err := c.Append([]byte("x"), &fast{fails: boom}, 0); !errors.Is(err, boom) || string(out) != "x" {
		t.Errorf("marshal that fails = %q, %v", out, err)
	}
	if err := c.Unmarshal(nil, &fast{fails: boom}); !errors.Is(err, boom) {
		t.Errorf("unmarshal that fails = %v", err)
	}
	liar := &fast{text: "abc", lie: 2}
	if out, err := c.Append([]byte("x"), liar, c.Size(liar)); err == nil || string(out) != "x" {
		t.Errorf("marshal of another size than announced = %q, %v; want an error", out, err)
	}
}

func TestSizeOfAChangedMessage(t *testing.T) {
	m := wrapperspb.String("abc")
	size := Proto().Size(m)
	m.Value = "abcd"
	if out, err := Proto().Append(nil, m, size); err == nil || len(out) != 0 || !strings.Contains(err.Error(), "changed") {
		t.Errorf("%q, %v; want an error, since the prefix with the size may be out", out, err)
	}
}

func TestCodecAllocations(t *testing.T) {
	c, m := Proto(), any(wrapperspb.String("abc"))
	buf := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() { buf, _ = c.Append(buf[:0], m, c.Size(m)) }); n != 0 {
		t.Errorf("proto marshal: %v allocations, want 0", n)
	}
	wire, got := bytes.Clone(buf), any(new(wrapperspb.StringValue))
	if n := testing.AllocsPerRun(100, func() { _ = c.Unmarshal(wire, got) }); n > 1 {
		t.Errorf("proto unmarshal: %v allocations, want 1: the string", n)
	}
}

func FuzzProtoUnmarshal(f *testing.F) {
	wire, err := Proto().Append(nil, deep(f), -1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(wire)
	f.Add([]byte("\x0a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := new(structpb.Struct)
		if Proto().Unmarshal(b, m) != nil {
			return
		}
		size := Proto().Size(m)
		if out, err := Proto().Append(nil, m, size); err != nil || len(out) != size {
			t.Fatalf("%x: read, but written as %d bytes for %d, %v", b, len(out), size, err)
		}
	})
}
