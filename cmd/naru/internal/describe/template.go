package describe

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Template returns JSON of a message to fill in: each field with a value of its type, the first
// field of each oneof, one element for lists and maps, and nothing inside a message that contains
// itself.
func Template(m protoreflect.MessageDescriptor) string {
	var b strings.Builder
	writeTemplate(&b, m, "", nil)
	return b.String()
}

// wellKnownTemplates are the messages that JSON writes in a way of their own.
var wellKnownTemplates = map[protoreflect.FullName]string{
	"google.protobuf.Any":         `{"@type": "type.googleapis.com/package.Message"}`,
	"google.protobuf.Timestamp":   `"2006-01-02T15:04:05Z"`,
	"google.protobuf.Duration":    `"1.5s"`,
	"google.protobuf.FieldMask":   `"field,otherField"`,
	"google.protobuf.Struct":      `{}`,
	"google.protobuf.Value":       `null`,
	"google.protobuf.ListValue":   `[]`,
	"google.protobuf.Empty":       `{}`,
	"google.protobuf.BoolValue":   `false`,
	"google.protobuf.StringValue": `""`,
	"google.protobuf.BytesValue":  `""`,
	"google.protobuf.Int32Value":  `0`,
	"google.protobuf.UInt32Value": `0`,
	"google.protobuf.Int64Value":  `"0"`,
	"google.protobuf.UInt64Value": `"0"`,
	"google.protobuf.FloatValue":  `0`,
	"google.protobuf.DoubleValue": `0`,
}

func writeTemplate(b *strings.Builder, m protoreflect.MessageDescriptor, indent string, above []protoreflect.FullName) {
	if text, ok := wellKnownTemplates[m.FullName()]; ok {
		b.WriteString(text)
		return
	}
	for _, name := range above {
		if name == m.FullName() {
			b.WriteString("{}")
			return
		}
	}
	above = append(above, m.FullName())
	first := true
	b.WriteByte('{')
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() && o.Fields().Get(0).FullName() != f.FullName() {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		name, _ := json.Marshal(f.JSONName())
		b.WriteString("\n" + indent + "  " + string(name) + ": ")
		switch {
		case f.IsMap():
			b.WriteString(`{` + mapKey(f.MapKey()) + `: `)
			writeValue(b, f.MapValue(), indent+"  ", above)
			b.WriteByte('}')
		case f.IsList():
			b.WriteByte('[')
			writeValue(b, f, indent+"  ", above)
			b.WriteByte(']')
		default:
			writeValue(b, f, indent+"  ", above)
		}
	}
	if !first {
		b.WriteString("\n" + indent)
	}
	b.WriteByte('}')
}

func mapKey(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.StringKind:
		return `"key"`
	case protoreflect.BoolKind:
		return `"false"`
	}
	return `"0"`
}

func writeValue(b *strings.Builder, f protoreflect.FieldDescriptor, indent string, above []protoreflect.FullName) {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		writeTemplate(b, f.Message(), indent, above)
	case protoreflect.EnumKind:
		name := []byte(`0`)
		if f.Enum().Values().Len() > 0 {
			name, _ = json.Marshal(string(f.Enum().Values().Get(0).Name()))
		}
		b.Write(name)
	case protoreflect.BoolKind:
		b.WriteString("false")
	case protoreflect.StringKind, protoreflect.BytesKind:
		b.WriteString(`""`)
	case protoreflect.Int64Kind, protoreflect.Uint64Kind, protoreflect.Sint64Kind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		b.WriteString(`"0"`)
	default:
		b.WriteString("0")
	}
}
