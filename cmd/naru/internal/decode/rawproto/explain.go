package rawproto

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Node is a field in words.
type Node struct {
	Offset  int     `json:"offset"`
	Length  int     `json:"length"`
	Field   int     `json:"field"`
	Name    string  `json:"name,omitempty"` // by the schema
	Type    string  `json:"type"`           // by the schema, or else the wire type
	Value   string  `json:"value,omitempty"`
	Also    string  `json:"also,omitempty"` // what the value would be by other types
	Problem string  `json:"problem,omitempty"`
	Guesses []Guess `json:"guesses,omitempty"`
	Fields  []Node  `json:"fields,omitempty"`

	head, value, end []byte
}

// Finder returns the descriptor of a message by its full name, for google.protobuf.Any; nil if it
// is not known.
type Finder func(protoreflect.FullName) protoreflect.MessageDescriptor

// Explain returns a message's fields in words. base is added to offsets. md is the message's
// descriptor, nil if it is not known; find may be nil. With an error the nodes are those before its
// place.
func Explain(b []byte, base int, md protoreflect.MessageDescriptor, find Finder) ([]Node, error) {
	fields, err := Parse(b)
	x := explainer{find: find}
	nodes := x.nodes(fields, base, md, MaxDepth)
	if e, ok := err.(*Error); ok {
		err = &Error{e.Offset + base, e.Reason}
	}
	return nodes, err
}

type explainer struct{ find Finder }

func (x *explainer) nodes(fields []Field, base int, md protoreflect.MessageDescriptor, depth int) []Node {
	nodes := make([]Node, 0, len(fields))
	for i := range fields {
		n := x.node(&fields[i], base, md, depth)
		if any := x.any(md, fields, i); any != nil {
			n = x.known(&fields[i], n, any, base, depth)
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// any returns the descriptor of what a google.protobuf.Any holds, for its field 2.
func (x *explainer) any(md protoreflect.MessageDescriptor, fields []Field, i int) protoreflect.MessageDescriptor {
	if md == nil || md.FullName() != "google.protobuf.Any" || fields[i].Number != 2 || fields[i].Type != protowire.BytesType || x.find == nil {
		return nil
	}
	for _, f := range fields {
		if f.Number == 1 && f.Type == protowire.BytesType {
			url := string(f.Value)
			return x.find(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
		}
	}
	return nil
}

// known explains a length-delimited field as a message of a type.
func (x *explainer) known(f *Field, n Node, md protoreflect.MessageDescriptor, base, depth int) Node {
	if depth == 0 {
		return n
	}
	inner, err := Parse(f.Value)
	n.Type, n.Value, n.Guesses = string(md.FullName()), "", nil
	n.Fields = x.nodes(inner, base+f.ValueOffset(), md, depth-1)
	if err != nil {
		n.Problem = fmt.Sprintf("no complete %s: %v", md.FullName(), shifted(err, base+f.ValueOffset()))
	}
	return n
}

func shifted(err error, by int) error {
	if e, ok := err.(*Error); ok {
		return &Error{e.Offset + by, e.Reason}
	}
	return err
}

func (x *explainer) node(f *Field, base int, md protoreflect.MessageDescriptor, depth int) Node {
	n := Node{
		Offset: base + f.Offset, Length: f.Size(), Field: int(f.Number), Type: wireName(f.Type),
		head: f.Head, value: f.Value, end: f.End,
	}
	if md != nil {
		fd := md.Fields().ByNumber(f.Number)
		switch {
		case fd == nil:
			n.Problem = fmt.Sprintf("%s has no field %d", md.FullName(), f.Number)
		default:
			n.Name = fd.TextName()
			if x.typed(f, &n, fd, base, depth) {
				return n
			}
			n.Problem = fmt.Sprintf("the schema has %s here, which is not written as %s", typeName(fd), wireName(f.Type))
		}
	}
	x.untyped(f, &n, base, depth)
	return n
}

// untyped fills in what is known without a schema.
func (x *explainer) untyped(f *Field, n *Node, base, depth int) {
	switch f.Type {
	case protowire.VarintType:
		n.Value = strconv.FormatUint(f.Varint, 10)
		n.Also = alsoVarint(f.Varint)
	case protowire.Fixed32Type, protowire.Fixed64Type:
		n.Value, n.Also = fixedReadings(f)
	case protowire.StartGroupType:
		n.Fields = x.nodes(f.Group, base, nil, depth-1)
	case protowire.BytesType:
		n.Guesses = Guesses(f.Value)
		n.Type = string(n.Guesses[0].Kind)
		if n.Guesses[0].Kind == Message && depth > 0 {
			if inner, err := Parse(f.Value); err == nil && len(inner) > 0 {
				n.Fields = x.nodes(inner, base+f.ValueOffset(), nil, depth-1)
				return
			}
		}
		n.Value = guessedValue(n.Guesses[0].Kind, f.Value)
	}
}

// guessedValue writes bytes as a kind.
func guessedValue(kind Kind, b []byte) string {
	switch kind {
	case Text:
		return strconv.Quote(string(b))
	case PackedVarint:
		var list []string
		for len(b) > 0 {
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				break
			}
			list, b = append(list, strconv.FormatUint(v, 10)), b[n:]
		}
		return bracketed(list)
	case PackedFixed32, PackedFixed64:
		return bracketed(fixedList(kind, b))
	}
	return clipHex(b)
}

func bracketed(list []string) string {
	const most = 32
	if len(list) > most {
		list = append(list[:most:most], fmt.Sprintf("... %d more", len(list)-most))
	}
	return "[" + strings.Join(list, ", ") + "]"
}

func clipHex(b []byte) string {
	const most = 64
	if len(b) > most {
		return hex.EncodeToString(b[:most]) + fmt.Sprintf("... (%d bytes)", len(b))
	}
	return hex.EncodeToString(b)
}

func wireName(t protowire.Type) string {
	switch t {
	case protowire.VarintType:
		return "varint"
	case protowire.Fixed32Type:
		return "32-bit"
	case protowire.Fixed64Type:
		return "64-bit"
	case protowire.BytesType:
		return "length-delimited"
	case protowire.StartGroupType:
		return "group"
	}
	return fmt.Sprintf("wire type %d", t)
}
