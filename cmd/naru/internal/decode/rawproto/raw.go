package rawproto

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// rawBudget is how deep protoc --decode_raw takes length-delimited fields for messages.
const rawBudget = 10

// Raw returns fields as protoc --decode_raw prints them: length-delimited bytes that read as a
// message are one, whatever else they may be.
func Raw(fields []Field) string {
	var b strings.Builder
	writeRaw(&b, fields, "", rawBudget)
	return b.String()
}

func writeRaw(b *strings.Builder, fields []Field, indent string, budget int) {
	for i := range fields {
		f := &fields[i]
		switch f.Type {
		case protowire.VarintType:
			fmt.Fprintf(b, "%s%d: %d\n", indent, f.Number, f.Varint)
		case protowire.Fixed32Type:
			fmt.Fprintf(b, "%s%d: 0x%08x\n", indent, f.Number, f.Varint)
		case protowire.Fixed64Type:
			fmt.Fprintf(b, "%s%d: 0x%016x\n", indent, f.Number, f.Varint)
		case protowire.StartGroupType:
			fmt.Fprintf(b, "%s%d {\n", indent, f.Number)
			writeRaw(b, f.Group, indent+"  ", budget-1)
			fmt.Fprintf(b, "%s}\n", indent)
		case protowire.BytesType:
			if inner, err := Parse(f.Value); len(f.Value) > 0 && budget > 0 && err == nil {
				fmt.Fprintf(b, "%s%d {\n", indent, f.Number)
				writeRaw(b, inner, indent+"  ", budget-1)
				fmt.Fprintf(b, "%s}\n", indent)
				continue
			}
			fmt.Fprintf(b, "%s%d: \"%s\"\n", indent, f.Number, escape(f.Value))
		}
	}
}

// escape writes bytes as protobuf's CEscape does.
func escape(p []byte) string {
	var b strings.Builder
	for _, c := range p {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '"' || c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
