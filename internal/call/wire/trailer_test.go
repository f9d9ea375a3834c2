package wire

import (
	"testing"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func must(s *status.Status, err error) *status.Status {
	if err != nil {
		panic(err)
	}
	return s
}

func TestReceivedStatus(t *testing.T) {
	detailed := must(status.New(codes.NotFound, "no product").WithDetails(wrapperspb.String("d")))
	for _, tt := range []struct {
		name    string
		code    uint32
		message string
		details []byte
		want    string
		n       int
	}{
		{"OK", 0, "ignored", detailed.AppendWire(nil), "OK", 0},
		{"plain", 5, "gone", nil, "NOT_FOUND: gone", 0},
		{"number nobody knows", 1234, "odd", nil, "UNKNOWN: odd", 0},
		{"details", 5, "no product", detailed.AppendWire(nil), "NOT_FOUND: no product", 1},
		{"details without code and text", 5, "from the header", must(status.New(codes.NotFound, "").WithDetails(wrapperspb.String("d"))).AppendWire(nil)[2:], "NOT_FOUND: from the header", 1},
		{"the same unknown number twice", 77, "odd", status.New(77, "odd").AppendWire(nil), "UNKNOWN: odd", 0},
		{"details that do not parse", 5, "gone", []byte{0xff}, "NOT_FOUND: gone", 0},
		{"contradiction", 13, "x", detailed.AppendWire(nil), `INTERNAL: peer contradicts itself: grpc-status is INTERNAL ("x"), grpc-status-details-bin says NOT_FOUND: no product`, 0},
	} {
		s := ReceivedStatus(tt.code, tt.message, tt.details)
		if s.String() != tt.want || len(s.Details()) != tt.n {
			t.Errorf("%s: %v with %d details, want %s with %d", tt.name, s, len(s.Details()), tt.want, tt.n)
		}
	}
}
