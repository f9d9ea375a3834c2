package wire

import (
	"encoding/base64"
	"strconv"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// Names of the protocol's header fields, PROTOCOL-HTTP2.md.
const (
	FieldContentType    = "content-type"
	FieldTE             = "te"
	FieldUserAgent      = "user-agent"
	FieldTimeout        = "grpc-timeout"
	FieldEncoding       = "grpc-encoding"
	FieldAcceptEncoding = "grpc-accept-encoding"
	FieldStatus         = "grpc-status"
	FieldMessage        = "grpc-message"
	FieldDetails        = "grpc-status-details-bin"
	FieldAttempts       = "grpc-previous-rpc-attempts" // gRFC A6
	FieldPushback       = "grpc-retry-pushback-ms"     // gRFC A6
)

// Field returns a header field.
func Field(name, value string) transport.Field { return transport.Field{Name: name, Value: value} }

// MaxStatusMessage bounds grpc-message as encoded: peers that limit a header section to 8 KiB do
// not all say so, and a status lost to that says less than a cut one.
const MaxStatusMessage = 6 << 10

var statusTexts = func() (t [17]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

// CodeText is a code as grpc-status carries it.
func CodeText(c codes.Code) string {
	if int(c) < len(statusTexts) {
		return statusTexts[c]
	}
	return strconv.FormatUint(uint64(c), 10)
}

// DetailsField returns the field that carries the details of s.
func DetailsField(s *status.Status) transport.Field {
	return Field(FieldDetails, base64.RawStdEncoding.EncodeToString(s.AppendWire(nil)))
}

// cutMark ends a message that was cut.
const cutMark = "..."

// EncodeMessage returns a status message as grpc-message carries it, in at most limit bytes. A
// longer one is cut, not inside a character: percent-encoding makes three bytes of each byte of one
// that is not ASCII.
func EncodeMessage(message string, limit int) string {
	if len(message) > limit { // no use to encode what is cut off, which may be megabytes
		message = message[:max(limit, 0)] + cutMark
	}
	encoded := PercentEncode(message)
	if len(encoded) <= limit {
		return encoded
	}
	keep := 0
	for next := 0; next <= limit-len(cutMark) && next < len(encoded); next += encodedLen(encoded[next:]) {
		keep = next
	}
	if keep == 0 {
		return ""
	}
	return encoded[:keep] + cutMark
}

// encodedLen is how many bytes of an encoded message its first character has.
func encodedLen(s string) int {
	if s[0] != '%' {
		return 1
	}
	// The first byte of a character in UTF-8 says how many it has. EncodeMessage writes upper case.
	switch lead := s[1:3]; {
	case lead >= "F0":
		return 4 * len("%F0")
	case lead >= "E0":
		return 3 * len("%E0")
	case lead >= "C0":
		return 2 * len("%C0")
	}
	return len("%25")
}

// AppendMetadata appends md, which has been validated.
func AppendMetadata(fields []transport.Field, md metadata.MD) []transport.Field {
	EachMetadata(md, func(name, value string) {
		fields = append(fields, transport.Field{Name: name, Value: value})
	})
	return fields
}

// MetadataOf returns what fields hold beside the protocol's own. A binary value that is not
// base64 is left out: it cannot be shown, and refusing the call over it helps nobody.
func MetadataOf(fields []transport.Field) metadata.MD {
	md := make(metadata.MD, len(fields))
	for i := range fields {
		_ = AddMetadata(md, fields[i].Name, fields[i].Value)
	}
	return md
}

// FieldValue returns the first field with this name.
func FieldValue(fields []transport.Field, name string) string {
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Value
		}
	}
	return ""
}

// Accepts reports whether name is in the list of a grpc-accept-encoding header.
func Accepts(list, name string) bool {
	for len(list) > 0 {
		var item string
		i := 0
		for i < len(list) && list[i] != ',' {
			i++
		}
		item = list[:i]
		list = list[min(i+1, len(list)):]
		for len(item) > 0 && (item[0] == ' ' || item[0] == '\t') {
			item = item[1:]
		}
		for len(item) > 0 && (item[len(item)-1] == ' ' || item[len(item)-1] == '\t') {
			item = item[:len(item)-1]
		}
		if item == name {
			return true
		}
	}
	return false
}
