//go:build !linux

package channel

import (
	"net"
	"time"
)

// setUserTimeout: gRFC A18 is for Linux.
func setUserTimeout(net.Conn, time.Duration) {}
