// Package rawproto takes encoded protobuf messages apart without their schema: fields with the
// bytes they are made of, and guesses of what the values may be.
//
// Input is hostile: nesting is bounded, and nothing is allocated that the input does not pay for.
package rawproto

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxDepth is how deep groups and guessed messages may be nested. protoc --decode_raw takes 100
// levels of groups.
const MaxDepth = 100

// Field is one field of a message as it stands on the wire. Bytes are views of the input.
type Field struct {
	Offset int // of Head, from the start of what Parse was given
	Number protowire.Number
	Type   protowire.Type
	Head   []byte // tag, and for length-delimited fields the length
	Value  []byte // what follows: the varint, the fixed bytes, the length-delimited bytes, or a group's contents
	Varint uint64 // of Varint, Fixed32 and Fixed64 types
	Group  []Field
	End    []byte // the tag that ends a group
}

// ValueOffset returns where Value begins.
func (f *Field) ValueOffset() int { return f.Offset + len(f.Head) }

// Size returns how many bytes the field takes.
func (f *Field) Size() int { return len(f.Head) + len(f.Value) + len(f.End) }

// Error says where a message cannot be read on.
type Error struct {
	Offset int
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("at byte %d: %s", e.Offset, e.Reason) }

// Parse returns the fields of a message. With an error of type [*Error] they are those before its
// place.
func Parse(b []byte) ([]Field, error) {
	fields, rest, err := parse(b, 0, 0, MaxDepth)
	if err == nil && len(rest) > 0 {
		return fields, &Error{len(b) - len(rest), "a group ends that has not begun"}
	}
	return fields, err
}

// parse reads fields until b or the group with the number ends. rest begins with the end tag then.
func parse(b []byte, offset int, group protowire.Number, depth int) (fields []Field, rest []byte, err error) {
	for len(b) > 0 {
		num, typ, n := consumeTag(b)
		if n < 0 {
			return fields, b, &Error{offset, tagFault(b)}
		}
		if typ == protowire.EndGroupType {
			if group == 0 || num != group {
				return fields, b, &Error{offset, fmt.Sprintf("the end of group %d, which has not begun", num)}
			}
			return fields, b, nil
		}
		f := Field{Offset: offset, Number: num, Type: typ, Head: b[:n]}
		if err := f.value(b[n:], depth); err != nil {
			return fields, b, err
		}
		size := f.Size()
		fields = append(fields, f)
		b, offset = b[size:], offset+size
	}
	if group != 0 {
		return fields, b, &Error{offset, fmt.Sprintf("group %d does not end", group)}
	}
	return fields, b, nil
}

// consumeTag reads a tag. As in protoc, it has five bytes at most and a number above 0.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	v, n := protowire.ConsumeVarint(b)
	if n < 0 || n > 5 || v > 1<<32-1 {
		return 0, 0, -1
	}
	num, typ := protowire.DecodeTag(v)
	if num < 1 || typ > protowire.Fixed32Type {
		return 0, 0, -1
	}
	return num, typ, n
}

// tagFault says why consumeTag failed.
func tagFault(b []byte) string {
	v, n := protowire.ConsumeVarint(b)
	switch {
	case n < 0 && len(b) < 10:
		return "the tag is cut off"
	case n < 0 || n > 5 || v > 1<<32-1:
		return "a tag of more than 32 bits"
	case v>>3 == 0:
		return "a field with the number 0"
	}
	return fmt.Sprintf("the wire type %d, which does not exist", v&7)
}

var errCut = errors.New("the value is cut off")

// value reads what follows the tag.
func (f *Field) value(b []byte, depth int) error {
	at := f.Offset + len(f.Head)
	n := 0
	switch f.Type {
	case protowire.VarintType:
		f.Varint, n = protowire.ConsumeVarint(b)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(b)
		f.Varint = uint64(v)
	case protowire.Fixed64Type:
		f.Varint, n = protowire.ConsumeFixed64(b)
	case protowire.BytesType:
		return f.delimited(b)
	case protowire.StartGroupType:
		return f.group(b, depth)
	}
	if n < 0 {
		if f.Type == protowire.VarintType && len(b) >= 10 {
			return &Error{at, "a varint of more than 64 bits"}
		}
		return &Error{at, errCut.Error()}
	}
	f.Value = b[:n]
	return nil
}

func (f *Field) delimited(b []byte) error {
	at := f.Offset + len(f.Head)
	length, n := protowire.ConsumeVarint(b)
	if n < 0 || length > 1<<31-1 {
		return &Error{at, "a length that is cut off or above 2 GiB"}
	}
	if length > uint64(len(b)-n) {
		return &Error{at, fmt.Sprintf("a length of %d bytes, and %d follow", length, len(b)-n)}
	}
	f.Head = f.Head[:len(f.Head)+n] // the length follows the tag
	f.Value = b[n : n+int(length)]
	return nil
}

func (f *Field) group(b []byte, depth int) error {
	at := f.Offset + len(f.Head)
	if depth == 0 {
		return &Error{at, fmt.Sprintf("groups nested more than %d deep", MaxDepth)}
	}
	inner, rest, err := parse(b, at, f.Number, depth-1)
	if err != nil {
		return err
	}
	_, _, n := consumeTag(rest)
	f.Group, f.Value, f.End = inner, b[:len(b)-len(rest)], rest[:n]
	return nil
}
