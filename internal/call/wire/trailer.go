package wire

import (
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of google.rpc.Status.
const (
	statusCode    = 1 // int32
	statusMessage = 2 // string
)

// ReceivedStatus puts a received status together: code is the number in grpc-status, message what
// [PercentDecode] made of grpc-message, and details the bytes of grpc-status-details-bin, nil if
// there were none. It returns nil for OK.
//
// Numbers that are not among the 17 codes are Unknown. Details that do not parse are left
// out: the call did fail with that code, and saying so matters more. A code in the details
// that is not grpc-status's is Internal, since the peer contradicts itself:
// "If it contains a status code field, it MUST NOT contradict the Status header. The consumer
// MUST verify this requirement." (doc/PROTOCOL-HTTP2.md)
func ReceivedStatus(code uint32, message string, details []byte) *status.Status {
	c := codes.Code(code).Canonical()
	if c == codes.OK {
		return nil // Status-Details "is only allowed if Status is not OK"
	}
	if len(details) == 0 {
		return status.New(c, message)
	}
	s, err := status.ParseWire(details)
	if err != nil {
		return status.New(c, message)
	}
	if s.Code() != codes.OK && s.Code().Canonical() != c {
		return status.Newf(codes.Internal, "peer contradicts itself: grpc-status is %v (%.200q), grpc-status-details-bin says %.200s", c, message, s)
	}
	return completed(s, c, message)
}

// completed returns s with the code c, and with the message if it has none. Of a field that comes
// twice in a message the last one counts, so that what is appended to its encoding wins.
func completed(s *status.Status, c codes.Code, message string) *status.Status {
	if s.Code() == c && (s.Message() != "" || message == "") {
		return s
	}
	b := s.AppendWire(nil)
	b = protowire.AppendVarint(protowire.AppendTag(b, statusCode, protowire.VarintType), uint64(c))
	if s.Message() == "" {
		b = protowire.AppendString(protowire.AppendTag(b, statusMessage, protowire.BytesType), message)
	}
	if whole, err := status.ParseWire(b); err == nil {
		return whole
	}
	return status.New(c, message)
}
