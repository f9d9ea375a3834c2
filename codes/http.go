package codes

import "net/http"

// FromHTTPStatus returns the code for a response that is not gRPC's: one that a proxy or a
// web server sent, without grpc-status. The mapping is the specification's
// (doc/http-grpc-status-mapping.md), which never yields OK: a 200 without grpc-status is
// Unknown too.
func FromHTTPStatus(status int) Code {
	switch status {
	case http.StatusBadRequest:
		return Internal
	case http.StatusUnauthorized:
		return Unauthenticated
	case http.StatusForbidden:
		return PermissionDenied
	case http.StatusNotFound:
		return Unimplemented
	case http.StatusTooManyRequests,
		http.StatusBadGateway,
		http.StatusServiceUnavailable,
		http.StatusGatewayTimeout:
		return Unavailable
	default:
		return Unknown
	}
}

// FromHTTP2Error returns the code for a stream that the peer ended with an HTTP/2 error code
// and without a status (doc/PROTOCOL-HTTP2.md, "HTTP2 Transport Mapping", "Errors").
// CANCEL is Canceled when a client sent it to a server; a server that sends it leaves the
// client with Canceled just the same. Numbers RFC 9113 §7 does not define are Internal, as
// §7 has them treated like INTERNAL_ERROR.
func FromHTTP2Error(code uint32) Code {
	switch code {
	case 0x7: // REFUSED_STREAM: not processed, so that a retry is safe
		return Unavailable
	case 0x8: // CANCEL
		return Canceled
	case 0xb: // ENHANCE_YOUR_CALM
		return ResourceExhausted
	case 0xc: // INADEQUATE_SECURITY
		return PermissionDenied
	default:
		// NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT,
		// STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR and CONNECT_ERROR are Internal.
		// HTTP_1_1_REQUIRED (0xd) came after the table was written: the peer asks for another
		// protocol, which no retry will change.
		return Internal
	}
}
