package describe

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
)

// printer writes descriptors as .proto source. Comments are there as far as the schema has them:
// reflection of most servers has none.
type printer struct {
	strings.Builder
	depth int
}

func (p *printer) line(format string, args ...any) {
	p.WriteString(strings.Repeat("  ", p.depth))
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

// block writes a line that opens a brace, what body writes, and the closing brace.
func (p *printer) block(head string, body func()) {
	before := p.Len()
	p.line("%s {", head)
	opened := p.Len()
	p.depth++
	body()
	p.depth--
	if p.Len() == opened { // empty: {} on one line
		text := p.String()[:before]
		p.Reset()
		p.WriteString(text)
		p.line("%s {}", head)
		return
	}
	p.line("}")
}

func (p *printer) comments(d protoreflect.Descriptor) {
	file := d.ParentFile()
	if file == nil {
		return
	}
	text := file.SourceLocations().ByDescriptor(d).LeadingComments
	for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if text != "" {
			p.line("//%s", cli.Printable(l))
		}
	}
}

// symbol writes one declaration, below a comment with its full name.
func (p *printer) symbol(d protoreflect.Descriptor) {
	p.line("// %s, declared in %s", d.FullName(), cli.Printable(pathOf(d)))
	switch d := d.(type) {
	case protoreflect.ServiceDescriptor:
		p.service(d)
	case protoreflect.MethodDescriptor:
		p.method(d)
		p.WriteByte('\n')
		p.message(d.Input())
		if d.Output().FullName() != d.Input().FullName() {
			p.WriteByte('\n')
			p.message(d.Output())
		}
	case protoreflect.MessageDescriptor:
		p.message(d)
	case protoreflect.EnumDescriptor:
		p.enum(d)
	case protoreflect.FieldDescriptor:
		p.field(d)
	case protoreflect.EnumValueDescriptor:
		p.line("%s = %d;", d.Name(), d.Number())
	case protoreflect.OneofDescriptor:
		p.oneof(d)
	}
}

func pathOf(d protoreflect.Descriptor) string {
	if f := d.ParentFile(); f != nil && f.Path() != "" {
		return f.Path()
	}
	return "a file that the schema lacks"
}

func (p *printer) service(s protoreflect.ServiceDescriptor) {
	p.comments(s)
	p.block("service "+string(s.Name()), func() {
		for i := range s.Methods().Len() {
			p.method(s.Methods().Get(i))
		}
	})
}

func (p *printer) method(m protoreflect.MethodDescriptor) {
	p.comments(m)
	stream := func(yes bool, d protoreflect.MessageDescriptor) string {
		if yes {
			return "stream " + string(d.FullName())
		}
		return string(d.FullName())
	}
	head := fmt.Sprintf("rpc %s(%s) returns (%s)", m.Name(), stream(m.IsStreamingClient(), m.Input()), stream(m.IsStreamingServer(), m.Output()))
	o, ok := m.Options().(*descriptorpb.MethodOptions)
	if !ok || !o.GetDeprecated() && o.GetIdempotencyLevel() == 0 {
		p.line("%s;", head)
		return
	}
	p.block(head, func() {
		if o.GetDeprecated() {
			p.line("option deprecated = true;")
		}
		if l := o.GetIdempotencyLevel(); l != 0 {
			p.line("option idempotency_level = %s;", l)
		}
	})
}

func (p *printer) message(m protoreflect.MessageDescriptor) {
	p.comments(m)
	if m.IsPlaceholder() {
		p.line("// message %s: the schema lacks the file that declares it", m.FullName())
		return
	}
	p.block("message "+string(m.Name()), func() {
		if o, ok := m.Options().(*descriptorpb.MessageOptions); ok && o.GetDeprecated() {
			p.line("option deprecated = true;")
		}
		for i := range m.Messages().Len() {
			if nested := m.Messages().Get(i); !nested.IsMapEntry() {
				p.message(nested)
			}
		}
		for i := range m.Enums().Len() {
			p.enum(m.Enums().Get(i))
		}
		p.fields(m)
		p.reserved(m)
		for i := range m.Extensions().Len() {
			x := m.Extensions().Get(i)
			p.block("extend "+string(x.ContainingMessage().FullName()), func() { p.field(x) })
		}
	})
}

// fields writes a message's fields, those of a oneof where its first one stands.
func (p *printer) fields(m protoreflect.MessageDescriptor) {
	written := map[protoreflect.FullName]bool{}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		o := f.ContainingOneof()
		switch {
		case o == nil || o.IsSynthetic():
			p.field(f)
		case !written[o.FullName()]:
			written[o.FullName()] = true
			p.oneof(o)
		}
	}
}

func (p *printer) oneof(o protoreflect.OneofDescriptor) {
	p.comments(o)
	p.block("oneof "+string(o.Name()), func() {
		for i := range o.Fields().Len() {
			p.field(o.Fields().Get(i))
		}
	})
}

func (p *printer) reserved(m protoreflect.MessageDescriptor) {
	ranges := func(word string, list protoreflect.FieldRanges) {
		for i := range list.Len() {
			switch r := list.Get(i); {
			case r[1]-1 >= 1<<29-1:
				p.line("%s %d to max;", word, r[0])
			case r[1]-r[0] == 1:
				p.line("%s %d;", word, r[0])
			default:
				p.line("%s %d to %d;", word, r[0], r[1]-1)
			}
		}
	}
	ranges("extensions", m.ExtensionRanges())
	ranges("reserved", m.ReservedRanges())
	for i := range m.ReservedNames().Len() {
		p.line("reserved %q;", m.ReservedNames().Get(i))
	}
}

func (p *printer) field(f protoreflect.FieldDescriptor) {
	p.comments(f)
	var options []string
	if f.HasDefault() {
		options = append(options, "default = "+defaultOf(f))
	}
	if o, ok := f.Options().(*descriptorpb.FieldOptions); ok {
		if o.GetDeprecated() {
			options = append(options, "deprecated = true")
		}
		if o != nil && o.Packed != nil {
			options = append(options, fmt.Sprintf("packed = %t", o.GetPacked()))
		}
	}
	text := ""
	if len(options) > 0 {
		text = " [" + strings.Join(options, ", ") + "]"
	}
	p.line("%s%s %s = %d%s;", label(f), typeOf(f), f.Name(), f.Number(), text)
}

// label returns "repeated ", "optional ", "required " or nothing, with the space behind it.
func label(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return ""
	case f.IsList():
		return "repeated "
	case f.Cardinality() == protoreflect.Required:
		return "required "
	case f.HasOptionalKeyword():
		return "optional "
	}
	return ""
}

func typeOf(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return fmt.Sprintf("map<%s, %s>", typeOf(f.MapKey()), typeOf(f.MapValue()))
	case f.Message() != nil:
		return string(f.Message().FullName())
	case f.Enum() != nil:
		return string(f.Enum().FullName())
	}
	return f.Kind().String()
}

func defaultOf(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if v := f.DefaultEnumValue(); v != nil {
			return string(v.Name())
		}
	case protoreflect.StringKind:
		return fmt.Sprintf("%q", f.Default().String())
	case protoreflect.BytesKind:
		return fmt.Sprintf("%q", f.Default().Bytes())
	}
	return fmt.Sprint(f.Default().Interface())
}

func (p *printer) enum(e protoreflect.EnumDescriptor) {
	p.comments(e)
	p.block("enum "+string(e.Name()), func() {
		if o, ok := e.Options().(*descriptorpb.EnumOptions); ok && o.GetAllowAlias() {
			p.line("option allow_alias = true;")
		}
		for i := range e.Values().Len() {
			v := e.Values().Get(i)
			p.comments(v)
			deprecated := ""
			if o, ok := v.Options().(*descriptorpb.EnumValueOptions); ok && proto.Equal(o, &descriptorpb.EnumValueOptions{Deprecated: proto.Bool(true)}) {
				deprecated = " [deprecated = true]"
			}
			p.line("%s = %d%s;", v.Name(), v.Number(), deprecated)
		}
	})
}
