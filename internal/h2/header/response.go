package header

import "github.com/naru-rpc/naru/internal/h2/hpack"

// Response is a response's header section.
type Response struct {
	Status int // 100 to 999, not 101; below 200 the response is interim
	// Fields are the regular fields, a part of the slice that was parsed.
	Fields []hpack.Field
	// ContentLength is NoLength if there is none.
	ContentLength int64
}

// ParseResponse checks a response's header section, interim or final, and fills out, all of
// it, from fields. If it returns an error, out is of no use.
func ParseResponse(fields []hpack.Field, out *Response) *Error {
	*out = Response{}
	n := 0
	for n < len(fields) && fields[n].Name != "" && fields[n].Name[0] == ':' {
		f := &fields[n]
		// RFC 9113 §8.3.2: "For HTTP/2 responses, a single ":status" pseudo-header field is
		// defined"; §8.3: "Pseudo-header fields defined for requests MUST NOT appear in
		// responses".
		if f.Name != ":status" {
			return rulePseudoUnknown.on(f.Name)
		}
		if n > 0 {
			return rulePseudoTwice.on(f.Name)
		}
		if out.Status = status(f.Value); out.Status == 0 {
			return ruleStatusValue.on(f.Name)
		}
		n++
	}
	// RFC 9113 §8.3.2: "This pseudo-header field MUST be included in all responses, including
	// interim responses; otherwise, the response is malformed".
	if n == 0 {
		return ruleStatusMissing.on("")
	}
	// RFC 9113 §8.6: "HTTP/2 does not support the 101 (Switching Protocols) informational status
	// code".
	if out.Status == 101 {
		return ruleStatusSwitch.on(":status")
	}
	out.Fields = fields[n:]
	var r regular
	if err := checkRegular(out.Fields, &r); err != nil {
		return err
	}
	out.ContentLength = r.length
	return nil
}

// status returns the status code of s, 0 if it is none.
func status(s string) int {
	if s == "200" {
		return 200
	}
	// RFC 9110 §15: "a three-digit integer code".
	if len(s) != 3 || s[0] == '0' || !digits(s) {
		return 0
	}
	return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0')
}

// CheckTrailers checks a trailer section of a request or response.
func CheckTrailers(fields []hpack.Field) *Error {
	for i := range fields {
		// RFC 9113 §8.1: "Trailers MUST NOT include pseudo-header fields [...]. An endpoint that
		// receives pseudo-header fields in trailers MUST treat the request or response as
		// malformed".
		if name := fields[i].Name; name != "" && name[0] == ':' {
			return rulePseudoTrailer.on(name)
		}
	}
	var r regular
	return checkRegular(fields, &r)
}
