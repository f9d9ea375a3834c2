package h2

import (
	"github.com/naru-rpc/naru/internal/h2/flow"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// OutHighWater is how many bytes may stand in the out-buffer before a stream's data waits in
// its own queue instead: enough for a few full writes, little enough that a control frame or a
// short reply never waits behind more than this.
const OutHighWater = 128 << 10

// maxDataFrame bounds the DATA frames we send even where the peer allows longer ones, so that
// streams take turns at a fine grain.
const maxDataFrame = 16 << 10

// SendLowWater is the queue length at which a stream blocked in AwaitSend goes on.
const SendLowWater = 64 << 10

// Conn is the state of one connection. Every method needs the shell's lock.
type Conn struct {
	// immutable after NewConn
	cfg   Config
	alloc func() *Stream

	// Out holds whole frames that are ready for the socket.
	Out []byte
	// Now is the time of the last received bytes in nanoseconds; the shell sets it.
	Now int64
	// Sent counts the HEADERS and DATA frames appended so far.
	Sent uint64
	// Finished counts the streams of which both halves ended, none by a reset.
	Finished uint64
	// Wake lists streams whose queue fell to the low-water mark while the shell had marked
	// them Waiting; the shell takes the list and clears it.
	Wake []*Stream
	// Heads is the sum of the header lists of open streams, as far as NoteHead was told.
	Heads int
	// Unsent counts what waits in the queues of all streams.
	Unsent Unsent

	streams   map[uint32]*Stream
	nextID    uint32 // next stream we open (client)
	maxPeerID uint32 // highest stream the peer opened (server)

	enc        *hpack.Encoder
	ready      readyList
	sendWindow int64     // of the connection
	refills    refills   // of it
	mayHold    bool      // a stream's window may be held back, see refills
	recv       flow.Conn // receive windows
	acksDue    int       // SETTINGS frames sent that the peer has not acknowledged
	last       lastData
	peer       peerSettings
	resets     resetLog
	goAway     goAway
}

// NewConn returns the state of a new connection, with our preface frames in Out. alloc makes
// streams: the shell embeds Stream in its own.
func NewConn(cfg Config, alloc func() *Stream) *Conn {
	cfg = cfg.WithDefaults()
	c := &Conn{
		alloc:      alloc,
		cfg:        cfg,
		enc:        hpack.NewEncoder(headerTableSize),
		streams:    make(map[uint32]*Stream),
		peer:       initialPeerSettings,
		sendWindow: initialWindowSize,
		nextID:     1,
	}
	c.recv = flow.NewConn(flow.Config{
		Initial: int64(cfg.StreamWindow), Base: baseWindow, Streams: int64(cfg.MaxConcurrentStreams),
		Max: int64(cfg.MaxStreamWindow), Memory: int64(cfg.ReceiveMemory),
		Unlimited: cfg.Role == Client, Short: cfg.Short, Announce: c.announce,
	})
	c.writePreface()
	return c
}

// writePreface queues what RFC 9113 §3.4 wants first, and opens the connection's window.
func (c *Conn) writePreface() {
	settings := make([]frame.Setting, 0, 3)
	if c.cfg.Role == Client {
		c.Out = append(c.Out, Preface...)
		settings = append(settings, frame.Setting{ID: frame.SettingEnablePush, Value: 0})
	} else {
		settings = append(settings, frame.Setting{ID: frame.SettingMaxConcurrentStreams, Value: c.cfg.MaxConcurrentStreams})
	}
	settings = append(settings,
		frame.Setting{ID: frame.SettingInitialWindowSize, Value: uint32(c.cfg.StreamWindow)},
		frame.Setting{ID: frame.SettingMaxHeaderListSize, Value: c.cfg.MaxHeaderListSize})
	c.sendSettings(settings...)
	c.Out = frame.AppendWindowUpdate(c.Out, 0, flow.FirstUpdate)
}

// Open returns how many streams are in the table.
func (c *Conn) Open() int { return len(c.streams) }

// Streams calls f for every open stream; f may close it.
func (c *Conn) Streams(f func(*Stream)) {
	for _, s := range c.streams {
		f(s)
	}
}

// Stream returns the open stream with this id, or nil.
func (c *Conn) Stream(id uint32) *Stream { return c.streams[id] }

// PeerMaxStreams is the peer's SETTINGS_MAX_CONCURRENT_STREAMS.
func (c *Conn) PeerMaxStreams() uint32 { return c.peer.maxStreams }

// SettingsSeen reports whether the peer's first SETTINGS frame has come.
func (c *Conn) SettingsSeen() bool { return c.peer.seen }

// TakeOut returns the out-buffer and continues with spare (length 0, may be nil).
func (c *Conn) TakeOut(spare []byte) []byte {
	out := c.Out
	c.Out = spare
	c.last.close()
	return out
}

// newStream puts a stream into the table.
func (c *Conn) newStream(id uint32) *Stream {
	c.adjustFirst()
	s := c.alloc()
	s.ID = id
	s.sendWindow = int64(c.peer.initialWindow)
	c.recv.Open(&s.recv, id)
	s.contentLength = -1
	c.streams[id] = s
	return s
}

// remove takes a stream that is over out of the table.
func (c *Conn) remove(s *Stream) {
	if s.Closed {
		return
	}
	s.Closed = true
	c.Heads -= s.head
	c.ready.remove(s)
	dropped := s.queued
	s.dropQueue()
	c.Unsent.remove(s, dropped)
	c.recv.Close(&s.recv, c.Now)
	if s.Waiting {
		s.Waiting = false
		c.Wake = append(c.Wake, s)
	}
	delete(c.streams, s.ID)
}

// settle removes the stream once both halves have ended.
func (c *Conn) settle(s *Stream) {
	if s.LocalClosed && s.RemoteClosed && !s.Closed {
		c.Finished++
		c.remove(s)
	}
}

// Reset ends a stream with RST_STREAM. Nothing happens on a stream that is over.
func (c *Conn) Reset(s *Stream, code frame.ErrCode) {
	if s.Closed {
		return
	}
	c.Out = frame.AppendRSTStream(c.Out, s.ID, code)
	c.resets.add(s.ID)
	c.remove(s)
}

// ResetID sends RST_STREAM for a stream that is not (or no longer) in the table.
func (c *Conn) ResetID(id uint32, code frame.ErrCode) {
	if s := c.streams[id]; s != nil {
		c.Reset(s, code)
		return
	}
	c.Out = frame.AppendRSTStream(c.Out, id, code)
	c.resets.add(id)
}

// DropStreams empties the table: the connection has ended.
func (c *Conn) DropStreams() {
	for _, s := range c.streams {
		c.remove(s)
	}
}
