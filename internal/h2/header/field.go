package header

import (
	"strconv"
	"strings"

	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// NoLength stands for the absence of content-length.
const NoLength = -1

// checkChars checks one field's name and value. Pseudo-header names are the caller's.
func checkChars(f *hpack.Field) *Error {
	// RFC 9113 §8.2.1: "A field name MUST NOT contain characters in the ranges 0x00-0x20,
	// 0x41-0x5a, or 0x7f-0xff (all ranges inclusive)." What is left and no token is no field
	// name either (RFC 9110 §5.1).
	if !ValidName(f.Name) {
		return nameFault(f.Name)
	}
	// PROTOCOL-HTTP2.md: "ASCII-Value should not have leading or trailing whitespace. If it
	// contains leading or trailing whitespace, it may be stripped." RFC 9113 §8.2.1 has such a
	// field malformed; existing clients send them, and lose more than the spaces if their stream is
	// reset. grpc-message is left as it is: its percent-encoding leaves spaces alone.
	if f.Name != "grpc-message" {
		f.Value = strings.Trim(f.Value, " \t")
	}
	return checkValue(f)
}

func checkValue(f *hpack.Field) *Error {
	// RFC 9113 §8.2.1: "A field value MUST NOT contain the zero value (ASCII NUL, 0x00), line feed
	// (ASCII LF, 0x0a), or carriage return (ASCII CR, 0x0d) at any position." The other control
	// characters are invalid by RFC 9110 §5.5.
	if !validChars(f.Value) {
		return ruleValueChar.on(f.Name)
	}
	// RFC 9113 §8.2.1: "A field value MUST NOT start or end with an ASCII whitespace character
	// (ASCII SP or HTAB, 0x20 or 0x09)." grpc-message is let through: its percent-encoding
	// leaves spaces as they are, and existing servers send status texts that end with one.
	if outerSpace(f.Value) && f.Name != "grpc-message" {
		return ruleValueSpace.on(f.Name)
	}
	return nil
}

func nameFault(name string) *Error {
	if name == "" {
		return ruleNameEmpty.on(name)
	}
	if all(name, inToken) {
		return ruleNameUpper.on(name)
	}
	return ruleNameChar.on(name)
}

// regular is what the regular fields of a section say to HTTP/2 itself.
type regular struct {
	length  int64
	host    string
	hasHost bool
}

// checkRegular checks the fields after the pseudo-header fields.
func checkRegular(fields []hpack.Field, out *regular) *Error {
	out.length = NoLength
	for i := range fields {
		f := &fields[i]
		if f.Name != "" && f.Name[0] == ':' {
			// RFC 9113 §8.3: "All pseudo-header fields MUST appear in a field block before all
			// regular field lines. Any request or response that contains a pseudo-header field
			// that appears in a field block after a regular field line MUST be treated as
			// malformed".
			return rulePseudoLate.on(f.Name)
		}
		if err := checkChars(f); err != nil {
			return err
		}
		if err := out.note(f); err != nil {
			return err
		}
	}
	return nil
}

// note takes up fields with a meaning to HTTP/2.
func (r *regular) note(f *hpack.Field) *Error {
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		// RFC 9113 §8.2.2: "Any message containing connection-specific header fields MUST be
		// treated as malformed".
		return ruleConnection.on(f.Name)
	case "te":
		// RFC 9113 §8.2.2: "The only exception to this is the TE header field, which MAY be
		// present in an HTTP/2 request; when it is, it MUST NOT contain any value other than
		// "trailers"."
		if f.Value != "trailers" {
			return ruleTE.on(f.Name)
		}
	case "content-length":
		return r.noteLength(f)
	case "host":
		// RFC 9112 §3.2 has a server refuse "any request message that contains more than one Host
		// header field line".
		if r.hasHost {
			return ruleHostTwice.on(f.Name)
		}
		r.host, r.hasHost = f.Value, true
	}
	return nil
}

func (r *regular) noteLength(f *hpack.Field) *Error {
	if f.Value == "" || !digits(f.Value) {
		return ruleLengthValue.on(f.Name)
	}
	n, err := strconv.ParseInt(f.Value, 10, 64)
	if err != nil {
		return ruleLengthValue.on(f.Name)
	}
	// RFC 9110 §8.6: a message with different values cannot be framed; equal ones may be folded.
	if r.length != NoLength && r.length != n {
		return ruleLengthDiffers.on(f.Name)
	}
	r.length = n
	return nil
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}
