package limits_test

import (
	"fmt"

	"github.com/naru-rpc/naru/limits"
)

// Limits of a program and of its configuration: what is set last wins, field by field.
func ExampleLimits_Merge() {
	ours := limits.Limits{MaxReceiveMessageSize: 16 << 20, Handlers: 500}
	theirs := limits.Limits{Handlers: -1} // no limit
	l := ours.Merge(theirs)
	fmt.Println(l.MaxReceiveMessageSize, l.Handlers)
	// Output: 16777216 -1
}

func ExampleLimits_Validate() {
	fmt.Println(limits.Limits{StreamWindow: 1000, ServerMemory: 1}.Validate())
	// Output:
	// StreamWindow 1000: want 65535 to 1073741824, or 0 for the default
	// ServerMemory 1: want at least 65536, 0 for the default, or negative for no limit
}
