package doctor_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// blackHole is a listener whose backlog is full: Linux drops further SYN packets, as a firewall
// would.
func blackHole(t *testing.T) []string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 10 {
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			return []string{addr, "--connect-timeout", "200ms"}
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("the backlog of this system does not fill")
	return nil
}

var systemSetups = []setup{
	{"black hole", blackHole, 1, "connect", "failure", "packets to the address are dropped"},
}
