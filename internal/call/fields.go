package call

import (
	"encoding/base64"
	"strconv"

	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// Names of the protocol's header fields, PROTOCOL-HTTP2.md.
const (
	fieldContentType    = "content-type"
	fieldTE             = "te"
	fieldUserAgent      = "user-agent"
	fieldTimeout        = "grpc-timeout"
	fieldEncoding       = "grpc-encoding"
	fieldAcceptEncoding = "grpc-accept-encoding"
	fieldStatus         = "grpc-status"
	fieldMessage        = "grpc-message"
	fieldDetails        = "grpc-status-details-bin"
	fieldAttempts       = "grpc-previous-rpc-attempts" // gRFC A6
	fieldPushback       = "grpc-retry-pushback-ms"     // gRFC A6
)

// maxStatusMessage bounds grpc-message, in bytes before coding: peers limit a header section to 8
// or 16 KiB, and a status lost to that tells less than a cut one.
const maxStatusMessage = 4 << 10

var statusTexts = func() (t [17]string) {
	for i := range t {
		t[i] = strconv.Itoa(i)
	}
	return t
}()

// appendStatus appends the fields of a status that is not OK.
func appendStatus(fields []transport.Field, s *status.Status) []transport.Field {
	code := int(s.Code())
	text := ""
	if code < len(statusTexts) {
		text = statusTexts[code]
	} else {
		text = strconv.Itoa(code)
	}
	fields = append(fields, transport.Field{Name: fieldStatus, Value: text})
	if m := s.Message(); m != "" {
		if len(m) > maxStatusMessage {
			m = m[:maxStatusMessage] + "..."
		}
		fields = append(fields, transport.Field{Name: fieldMessage, Value: status.EncodeMessage(m)})
	}
	if s.HasDetails() {
		fields = append(fields, transport.Field{
			Name:  fieldDetails,
			Value: base64.RawStdEncoding.EncodeToString(s.AppendWire(nil)),
		})
	}
	return fields
}

// appendMetadata appends md, which has been validated.
func appendMetadata(fields []transport.Field, md metadata.MD) []transport.Field {
	md.EachWire(func(name, value string) {
		fields = append(fields, transport.Field{Name: name, Value: value})
	})
	return fields
}

// metadataOf returns what fields hold beside the protocol's own. A binary value that is not
// base64 is left out: it cannot be shown, and refusing the call over it helps nobody.
func metadataOf(fields []transport.Field) metadata.MD {
	md := make(metadata.MD, len(fields))
	for i := range fields {
		_ = md.AddWire(fields[i].Name, fields[i].Value)
	}
	return md
}

// fieldValue returns the first field with this name.
func fieldValue(fields []transport.Field, name string) string {
	for i := range fields {
		if fields[i].Name == name {
			return fields[i].Value
		}
	}
	return ""
}

// accepts tells whether name is in the list of a grpc-accept-encoding header.
func accepts(list, name string) bool {
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
