package channel

import (
	"strings"

	"github.com/naru-rpc/naru/connectivity"
)

// dialReason reads the operating system's answer, which is a text on Plan 9.
func dialReason(err error) connectivity.Reason {
	switch text := err.Error(); {
	case strings.Contains(text, "connection refused"):
		return connectivity.Refused
	case strings.Contains(text, "no route"), strings.Contains(text, "unreachable"):
		return connectivity.Unreachable
	case strings.Contains(text, "connection timed out"):
		return connectivity.ConnectTimeout
	case strings.Contains(text, "permission denied"):
		return connectivity.Resources
	}
	return connectivity.Other
}
