package h2

import (
	"math"

	"github.com/naru-rpc/naru/internal/h2/flow"
)

// Protocol constants, RFC 9113 §6.5.2 and §6.9.
const (
	Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" // §3.4

	initialWindowSize = 65535
	ownMaxFrameSize   = 1 << 14 // our SETTINGS_MAX_FRAME_SIZE: its initial value
	maxWindow         = flow.MaxWindow
	baseWindow        = 80 << 10
	maxStreamID       = math.MaxInt32
	headerTableSize   = 4096 // of both dynamic tables: our SETTINGS_HEADER_TABLE_SIZE, its initial value
)

// Role is the side of a connection.
type Role uint8

// The two sides.
const (
	Server Role = iota + 1
	Client
)

// Config is one side's own limits. Zero values take the default given.
type Config struct {
	Role Role
	// MaxConcurrentStreams is what we advertise (a server; default 256).
	MaxConcurrentStreams uint32
	// StreamWindow is the receive window each stream starts with (default of a client 80 KiB: a
	// message with a payload of 64 KiB, and a quarter of that is left over; of a server 1 MiB, and
	// the 80 KiB while first windows make the connection hold much). It grows to MaxStreamWindow
	// (default 4 MiB) while the program keeps up with the peer.
	StreamWindow, MaxStreamWindow int32
	// ReceiveMemory bounds what streams' windows are opened by beyond StreamWindow (default 16
	// MiB), see flow.Config.
	ReceiveMemory int32
	// Short reports whether the server holds so much that windows grow no more; nil: never.
	Short func() bool
	// MaxHeaderListSize is what we advertise, RFC 9113 §6.5.2 accounting (default 16 KiB).
	MaxHeaderListSize uint32
}

// WithDefaults fills in the defaults.
func (c Config) WithDefaults() Config {
	def(&c.MaxConcurrentStreams, 256)
	if c.Role == Server {
		def(&c.StreamWindow, 1<<20)
	}
	def(&c.StreamWindow, baseWindow)
	def(&c.MaxStreamWindow, 4<<20)
	def(&c.ReceiveMemory, 16<<20)
	def(&c.MaxHeaderListSize, 16<<10)
	c.MaxStreamWindow = max(c.MaxStreamWindow, c.StreamWindow)
	return c
}

func def[T int32 | uint32](p *T, v T) {
	if *p == 0 {
		*p = v
	}
}
