package middleware

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// plainText returns s in one line of printable characters, at most limit bytes of it.
func plainText(s string, limit int) string {
	plain := len(s) <= limit
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] < 0x7f
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if b.Len() >= limit {
			b.WriteString("...")
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unicode.IsPrint(r): // control and format characters, line and paragraph separators
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// A mask turns messages into text without their secrets.
type mask struct {
	messages, bytes int
	fields          map[protoreflect.FullName]bool
	names           map[protoreflect.Name]bool
}

func newMask(c *PayloadConfig) *mask {
	m := &mask{messages: c.MaxMessages, bytes: c.MaxBytes,
		fields: map[protoreflect.FullName]bool{}, names: map[protoreflect.Name]bool{}}
	if m.messages <= 0 {
		m.messages = 1
	}
	if m.bytes <= 0 {
		m.bytes = 1024
	}
	for _, f := range c.Mask {
		if strings.Contains(f, ".") {
			m.fields[protoreflect.FullName(strings.TrimPrefix(f, "."))] = true
		} else {
			m.names[protoreflect.Name(f)] = true
		}
	}
	return m
}

func (k *mask) hides(fd protoreflect.FieldDescriptor) bool {
	if k.fields[fd.FullName()] || k.names[fd.Name()] {
		return true
	}
	o, ok := fd.Options().(*descriptorpb.FieldOptions)
	return ok && o.GetDebugRedact()
}

// text returns a message in one line, in the manner of protobuf's text format.
func (k *mask) text(m any) string {
	p, ok := m.(proto.Message)
	if !ok {
		return fmt.Sprintf("[%T]", m) // a codec of the program's own: its secrets are not known
	}
	w := &payloadWriter{mask: k}
	w.message(p.ProtoReflect(), 0)
	if w.full() {
		return w.String() + "..."
	}
	return w.String()
}

const maxPayloadDepth = 20

// payloadWriter writes until it is full, and does no work after that.
type payloadWriter struct {
	strings.Builder
	mask *mask
}

func (w *payloadWriter) full() bool { return w.Len() >= w.mask.bytes }

func (w *payloadWriter) message(m protoreflect.Message, depth int) {
	if depth >= maxPayloadDepth {
		w.WriteString("{...}")
		return
	}
	w.WriteByte('{')
	isAny := m.Descriptor().FullName() == "google.protobuf.Any"
	first := true
	fields := m.Descriptor().Fields()
	for i := 0; i < fields.Len() && !w.full(); i++ { // in the order of the descriptor: m.Range has none
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		if !first {
			w.WriteByte(' ')
		}
		first = false
		w.WriteString(string(fd.Name()))
		w.WriteByte(':')
		if isAny && fd.Name() == "value" || w.mask.hides(fd) {
			w.WriteString("[redacted]")
			continue
		}
		w.field(fd, m.Get(fd), depth)
	}
	w.WriteByte('}')
}

func (w *payloadWriter) field(fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) {
	switch {
	case fd.IsList():
		w.WriteByte('[')
		for i := 0; i < v.List().Len() && !w.full(); i++ {
			if i > 0 {
				w.WriteByte(' ')
			}
			w.value(fd, v.List().Get(i), depth)
		}
		w.WriteByte(']')
	case fd.IsMap():
		w.WriteByte('{')
		first := true
		v.Map().Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
			if !first {
				w.WriteByte(' ')
			}
			first = false
			w.value(fd.MapKey(), key.Value(), depth)
			w.WriteByte(':')
			w.value(fd.MapValue(), v, depth)
			return !w.full()
		})
		w.WriteByte('}')
	default:
		w.value(fd, v, depth)
	}
}

func (w *payloadWriter) value(fd protoreflect.FieldDescriptor, v protoreflect.Value, depth int) {
	room := max(w.mask.bytes-w.Len(), 8)
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		w.message(v.Message(), depth+1)
	case protoreflect.StringKind:
		s := v.String()
		w.WriteString(strconv.QuoteToGraphic(s[:min(len(s), room)]))
	case protoreflect.BytesKind:
		b := v.Bytes()
		fmt.Fprintf(w, "%d bytes", len(b))
	case protoreflect.EnumKind:
		if d := fd.Enum().Values().ByNumber(v.Enum()); d != nil {
			w.WriteString(string(d.Name()))
		} else {
			fmt.Fprint(w, v.Enum())
		}
	default:
		fmt.Fprint(w, v.Interface())
	}
}
