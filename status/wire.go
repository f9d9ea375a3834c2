package status

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of google.rpc.Status and google.protobuf.Any.
const (
	fieldCode    = 1 // int32
	fieldMessage = 2 // string
	fieldDetails = 3 // repeated Any

	fieldTypeURL = 1 // string
	fieldValue   = 2 // bytes
)

// AppendWire appends the status as a google.rpc.Status message: what grpc-status-details-bin
// holds in base64. Local details and the cause are not part of it. A message that is not
// valid UTF-8 is repaired with U+FFFD, since the field is a string.
func (s *Status) AppendWire(b []byte) []byte {
	if s == nil {
		return b
	}
	if s.code != 0 {
		b = protowire.AppendTag(b, fieldCode, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(int64(int32(s.code)))) // int32: sign-extended
	}
	if s.message != "" {
		b = protowire.AppendTag(b, fieldMessage, protowire.BytesType)
		b = protowire.AppendString(b, strings.ToValidUTF8(s.message, "\uFFFD"))
	}
	for _, d := range s.details {
		b = protowire.AppendTag(b, fieldDetails, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(d.wireSize()))
		b = d.append(b)
	}
	return b
}

func (d detail) wireSize() int {
	var n int
	if d.typeURL != "" {
		n += protowire.SizeTag(fieldTypeURL) + protowire.SizeBytes(len(d.typeURL))
	}
	if len(d.value) > 0 {
		n += protowire.SizeTag(fieldValue) + protowire.SizeBytes(len(d.value))
	}
	return n
}

func (d detail) append(b []byte) []byte {
	if d.typeURL != "" {
		b = protowire.AppendTag(b, fieldTypeURL, protowire.BytesType)
		b = protowire.AppendString(b, d.typeURL)
	}
	if len(d.value) > 0 {
		b = protowire.AppendTag(b, fieldValue, protowire.BytesType)
		b = protowire.AppendBytes(b, d.value)
	}
	return b
}

// ParseWire reads a google.rpc.Status message. Unknown fields are passed over. b is not kept.
// A code outside int32's non-negative range is read as Unknown; one that is merely not among
// the 17 is kept: see [codes.Code.Canonical].
func ParseWire(b []byte) (*Status, error) {
	s := new(Status)
	err := eachField(b, func(num protowire.Number, typ protowire.Type, v uint64, p []byte) error {
		switch {
		case num == fieldCode && typ == protowire.VarintType:
			s.code = codes.Unknown
			if c := int32(v); c >= 0 {
				s.code = codes.Code(c)
			}
		case num == fieldMessage && typ == protowire.BytesType:
			s.message = strings.ToValidUTF8(string(p), "\uFFFD")
		case num == fieldDetails && typ == protowire.BytesType:
			d, err := parseDetail(p)
			if err != nil {
				return fmt.Errorf("detail %d: %w", len(s.details), err)
			}
			s.details = append(s.details, d)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("status: parse google.rpc.Status: %w", err)
	}
	return s, nil
}

func parseDetail(b []byte) (d detail, err error) {
	err = eachField(b, func(num protowire.Number, typ protowire.Type, _ uint64, p []byte) error {
		switch {
		case num == fieldTypeURL && typ == protowire.BytesType:
			d.typeURL = strings.ToValidUTF8(string(p), "\uFFFD")
		case num == fieldValue && typ == protowire.BytesType:
			d.value = slices.Clone(p)
		}
		return nil
	})
	return d, err
}

// eachField calls f with every field of a message: v is set for varints, p for bytes.
func eachField(b []byte, f func(num protowire.Number, typ protowire.Type, v uint64, p []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errors.New("malformed tag")
		}
		b = b[n:]
		var (
			v uint64
			p []byte
		)
		switch typ {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			p, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return fmt.Errorf("malformed value of field %d", num)
		}
		b = b[n:]
		if err := f(num, typ, v, p); err != nil {
			return err
		}
	}
	return nil
}
