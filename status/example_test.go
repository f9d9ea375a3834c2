package status_test

import (
	"context"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// A handler returns a status as its error; the client reads its code.
func ExampleErrorf() {
	err := status.Errorf(codes.NotFound, "no product %q", "lamp")
	fmt.Println(err)
	fmt.Println(status.Code(err) == codes.NotFound)
	// Output:
	// NOT_FOUND: no product "lamp"
	// true
}

// Details are messages that a program can act on.
func ExampleStatus_WithDetails() {
	s, err := status.New(codes.Unavailable, "busy").WithDetails(durationpb.New(2 * time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range status.Convert(s.Err()).Details() {
		if wait, ok := d.(*durationpb.Duration); ok {
			fmt.Println("try again in", wait.AsDuration())
		}
	}
	// Output: try again in 2s
}

// A handler that gave up because its context ended says so with the right code.
func ExampleFromContextError() {
	fmt.Println(status.FromContextError(context.DeadlineExceeded).Code())
	// Output: DEADLINE_EXCEEDED
}
