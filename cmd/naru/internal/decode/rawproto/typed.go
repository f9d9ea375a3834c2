package rawproto

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// typed fills in a node by the field's descriptor. It returns false if the field is not written as
// the descriptor wants it.
func (x *explainer) typed(f *Field, n *Node, fd protoreflect.FieldDescriptor, base, depth int) bool {
	n.Type = typeName(fd)
	kind := fd.Kind()
	switch {
	case kind == protoreflect.GroupKind && f.Type == protowire.StartGroupType:
		n.Fields = x.nodes(f.Group, base, fd.Message(), depth-1)
	case kind == protoreflect.MessageKind && f.Type == protowire.BytesType:
		*n = x.known(f, *n, fd.Message(), base, depth)
		n.Type = typeName(fd)
	case kind == protoreflect.StringKind && f.Type == protowire.BytesType:
		n.Value = strconv.Quote(string(f.Value))
		if !utf8.Valid(f.Value) {
			n.Problem = "a string that is not UTF-8"
		}
	case kind == protoreflect.BytesKind && f.Type == protowire.BytesType:
		n.Value = clipHex(f.Value)
	case wireTypeOf(kind) == f.Type && f.Type != protowire.BytesType:
		n.Value = scalar(fd, f.Varint)
	case fd.IsList() && f.Type == protowire.BytesType && packable(kind):
		return x.packed(f, n, fd)
	default:
		n.Type = wireName(f.Type)
		return false
	}
	return true
}

// packed explains a packed list.
func (x *explainer) packed(f *Field, n *Node, fd protoreflect.FieldDescriptor) bool {
	var list []string
	for b := f.Value; len(b) > 0; {
		var v uint64
		var size int
		switch wireTypeOf(fd.Kind()) {
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			v, size = protowire.ConsumeFixed64(b)
		default:
			var v32 uint32
			v32, size = protowire.ConsumeFixed32(b)
			v = uint64(v32)
		}
		if size < 0 {
			n.Problem = "the packed list is cut off in a value"
			break
		}
		list, b = append(list, scalar(fd, v)), b[size:]
	}
	n.Type += ", packed"
	n.Value = bracketed(list)
	return true
}

func packable(k protoreflect.Kind) bool {
	return wireTypeOf(k) != protowire.BytesType && k != protoreflect.GroupKind
}

// wireTypeOf returns how a kind is written outside of packed lists.
func wireTypeOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// scalar writes a number by its field's type.
func scalar(fd protoreflect.FieldDescriptor, v uint64) string {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return strconv.FormatBool(v != 0)
	case protoreflect.EnumKind:
		if value := fd.Enum().Values().ByNumber(protoreflect.EnumNumber(int32(v))); value != nil {
			return fmt.Sprintf("%s (%d)", value.Name(), int32(v))
		}
		return fmt.Sprintf("%d, which %s does not have", int32(v), fd.Enum().FullName())
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return strconv.FormatInt(int64(int32(v)), 10)
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return strconv.FormatInt(int64(v), 10)
	case protoreflect.Sint32Kind:
		return strconv.FormatInt(int64(int32(protowire.DecodeZigZag(v&math.MaxUint32))), 10)
	case protoreflect.Sint64Kind:
		return strconv.FormatInt(protowire.DecodeZigZag(v), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.FormatUint(uint64(uint32(v)), 10)
	case protoreflect.FloatKind:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(v))), 'g', -1, 32)
	case protoreflect.DoubleKind:
		return strconv.FormatFloat(math.Float64frombits(v), 'g', -1, 64)
	}
	return strconv.FormatUint(v, 10)
}

func typeName(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.Message() != nil:
		return string(fd.Message().FullName())
	case fd.Enum() != nil:
		return string(fd.Enum().FullName())
	}
	return fd.Kind().String()
}

// alsoVarint lists what a varint would be by other types, where that differs.
func alsoVarint(v uint64) string {
	also := fmt.Sprintf("sint %d", protowire.DecodeZigZag(v))
	if int64(v) < 0 {
		also = fmt.Sprintf("int %d, %s", int64(v), also)
	}
	if v <= 1 {
		also = fmt.Sprintf("bool %t, %s", v == 1, also)
	}
	return also
}

// fixedReadings returns a fixed field as an integer, and what it would be by other types.
func fixedReadings(f *Field) (value, also string) {
	value = strconv.FormatUint(f.Varint, 10)
	if f.Type == protowire.Fixed32Type {
		also = "float " + strconv.FormatFloat(float64(math.Float32frombits(uint32(f.Varint))), 'g', -1, 32)
		if int32(f.Varint) < 0 {
			also += fmt.Sprintf(", sfixed32 %d", int32(f.Varint))
		}
		return value, also
	}
	also = "double " + strconv.FormatFloat(math.Float64frombits(f.Varint), 'g', -1, 64)
	if int64(f.Varint) < 0 {
		also += fmt.Sprintf(", sfixed64 %d", int64(f.Varint))
	}
	return value, also
}

// fixedList writes packed 32-bit or 64-bit values, as floating point if they read well as such.
func fixedList(kind Kind, b []byte) []string {
	var list []string
	for len(b) > 0 {
		f := Field{Type: protowire.Fixed64Type}
		if kind == PackedFixed32 {
			v, _ := protowire.ConsumeFixed32(b)
			f.Type, f.Varint, b = protowire.Fixed32Type, uint64(v), b[4:]
		} else {
			f.Varint, _ = protowire.ConsumeFixed64(b)
			b = b[8:]
		}
		value, also := fixedReadings(&f)
		list = append(list, value+" ("+also+")")
	}
	return list
}
