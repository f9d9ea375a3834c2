package wire

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/naru-rpc/naru/metadata"
)

// EncodeValue returns a value as it travels under a lower-case key: in base64 if the key is
// binary, otherwise as it is. "Implementations ... SHOULD emit un-padded values"
// (doc/PROTOCOL-HTTP2.md).
func EncodeValue(key, value string) string {
	if !metadata.IsBinary(key) {
		return value
	}
	return base64.RawStdEncoding.EncodeToString([]byte(value))
}

// AppendDecoded appends the values that a received header field holds. For a binary key that
// is one for each comma-separated part, in base64 with or without padding: "Implementations
// MUST accept padded and un-padded values"; "implementations that support binary headers must
// split on comma before decoding". A part that is not base64 is an error, and values comes back
// as it was.
//
// For other keys it is the field's value without the spaces around it. One with bytes that may
// not be sent as metadata is left out: "Implementations must not error due to receiving an
// invalid ASCII-Value that's a valid field-value in HTTP", and a program must be able to
// send on what it got.
func AppendDecoded(values []string, key, wire string) ([]string, error) {
	if !metadata.IsBinary(key) {
		wire = strings.Trim(wire, " \t")
		if metadata.ValidateValue(key, wire) != nil {
			return values, nil
		}
		return append(values, wire), nil
	}
	had := len(values)
	for {
		part, rest, more := strings.Cut(wire, ",")
		b, err := decodeBase64(strings.Trim(part, " \t"))
		if err != nil {
			return values[:had], fmt.Errorf("metadata: key %q: value %d is not base64: %w", key, len(values)-had+1, err)
		}
		values = append(values, string(b))
		if !more {
			return values, nil
		}
		wire = rest
	}
}

func decodeBase64(s string) ([]byte, error) {
	if len(s)%4 == 0 {
		// Of this length both forms decode alike, unless padded.
		return base64.StdEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}

// AddMetadata adds a received header field to md. Fields of the protocol are passed over, but for
// the two [metadata.IsProtocol] names. name is lower-case. See [AppendDecoded].
func AddMetadata(md metadata.MD, name, wire string) error {
	if metadata.IsProtocol(name) && name != ":authority" && name != "user-agent" {
		return nil
	}
	values, err := AppendDecoded(md[name], name, wire)
	if err != nil {
		return err
	}
	if len(values) > 0 {
		md[name] = values
	}
	return nil
}

// EachMetadata calls f with every pair of md as header fields, coded for the wire, protocol names
// left out. It does not check: see [metadata.MD.Validate].
func EachMetadata(md metadata.MD, f func(name, value string)) {
	for key, values := range md {
		key = lower(key)
		if metadata.IsProtocol(key) {
			continue
		}
		for _, v := range values {
			f(key, EncodeValue(key, v))
		}
	}
}

// lower lowers as HTTP does: letters of other alphabets stay.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j, c := range b {
				if 'A' <= c && c <= 'Z' {
					b[j] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}
