package wire

import "fmt"

// A Limit bounds the bytes of a message.
type Limit struct {
	Bytes int    // < 0: no limit
	By    string // whose limit it is and what sets it: "the server's Limits.MaxReceiveMessageSize"
}

// exceededBy reports whether a message of n bytes is too large.
func (l Limit) exceededBy(n int64) bool { return l.Bytes >= 0 && n > int64(l.Bytes) }

// text is what a user reads of a message that is too large. It names the side: both sides have
// limits, and a client receives the errors of both.
func (l Limit) text(what string, n int64) string {
	return fmt.Sprintf("%s of %d bytes is larger than the limit of %d bytes (%s)", what, n, l.Bytes, l.By)
}
