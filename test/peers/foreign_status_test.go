package peers

import (
	"errors"
	"fmt"
	"testing"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	grpccodes "google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
)

// An error of grpc-go's keeps code, message and details when a naru handler returns it.
func TestStatusErrorOfGRPCGo(t *testing.T) {
	s, err := grpcstatus.New(grpccodes.InvalidArgument, "bad id").WithDetails(&errdetails.ErrorInfo{Reason: "NOT_A_NUMBER"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"bad id":      s.Err(),
		"wrapped":     fmt.Errorf("look up: %w", s.Err()),
		"joined":      errors.Join(errors.New("other"), s.Err()),
		"wrapped all": fmt.Errorf("%w and %w", errors.New("other"), s.Err()),
	} {
		got, ok := status.FromError(err)
		if !ok || got.Code() != codes.InvalidArgument {
			t.Errorf("%s: %v, %t", name, got, ok)
		}
		if name == got.Message() != (name == "bad id") {
			t.Errorf("%s: message %q", name, got.Message())
		}
		info, ok := status.Detail[*errdetails.ErrorInfo](err)
		if !ok || info.GetReason() != "NOT_A_NUMBER" {
			t.Errorf("%s: details %v", name, got.Details())
		}
	}
}
