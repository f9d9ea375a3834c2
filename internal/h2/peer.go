package h2

import (
	"math"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// peerSettings is what the peer has announced (RFC 9113 §6.5.2), initially the protocol's defaults.
type peerSettings struct {
	seen          bool // its first SETTINGS has come
	maxStreams    uint32
	maxFrame      uint32
	maxHeaderList uint32
	initialWindow int32
}

var initialPeerSettings = peerSettings{
	maxStreams:    math.MaxUint32, // no limit
	maxFrame:      frame.MinMaxFrameSize,
	maxHeaderList: math.MaxUint32, // no limit
	initialWindow: initialWindowSize,
}

// RecvSettings applies a SETTINGS frame, whose values the frame package has checked, and
// queues the acknowledgement (§6.5.3).
func (c *Conn) RecvSettings(settings frame.Settings) error {
	c.peer.seen = true
	for i := range settings.Len() {
		if err := c.recvSetting(settings.At(i)); err != nil {
			return err
		}
	}
	c.Out = frame.AppendSettings(c.Out, true)
	return nil
}

func (c *Conn) recvSetting(st frame.Setting) error {
	switch st.ID {
	case frame.SettingHeaderTableSize:
		c.enc.SetMaxTableSize(st.Value) // bounded by the encoder's own cap
	case frame.SettingMaxConcurrentStreams:
		c.peer.maxStreams = st.Value
	case frame.SettingInitialWindowSize:
		return c.recvInitialWindow(int64(st.Value))
	case frame.SettingMaxFrameSize:
		c.peer.maxFrame = st.Value
	case frame.SettingMaxHeaderListSize:
		c.peer.maxHeaderList = st.Value
	}
	return nil
}

// recvInitialWindow adjusts every stream by the difference (§6.9.2); windows may go negative.
func (c *Conn) recvInitialWindow(v int64) error {
	delta := v - int64(c.peer.initialWindow)
	c.peer.initialWindow = int32(v)
	if delta == 0 {
		return nil
	}
	for _, s := range c.streams {
		s.refills.note(s.sendWindow)
		s.sendWindow += delta
		if s.sendWindow > maxWindow {
			return connError(frame.FlowControlError, "settings_window_overflow", "SETTINGS_INITIAL_WINDOW_SIZE of %d brings the window of stream %d above 2^31-1", v, s.ID)
		}
		c.opened(s)
	}
	return nil
}

// FitsPeer reports whether the peer accepts a header section (RFC 9113 §10.5.1). One longer than
// its SETTINGS_MAX_HEADER_LIST_SIZE would cost the stream, with most peers without a reason. It
// returns the section's size and that limit. extra is the size of the fields that are not in
// fields.
//
// A peer that announced nothing takes sections of any size (RFC 9113 §6.5.2), but those on nghttp2,
// Node among them, take a field of more than 64 KiB for a compression error, which ends the
// connection: none is sent to them.
func (c *Conn) FitsPeer(extra int, fields []hpack.Field) (size, limit int64, ok bool) {
	if c.peer.maxHeaderList == math.MaxUint32 {
		for i := range fields {
			if n := len(fields[i].Value); n > maxUnannouncedField {
				return int64(n), maxUnannouncedField, false
			}
		}
		return 0, 0, true
	}
	size = int64(extra)
	for i := range fields {
		size += int64(len(fields[i].Name)) + int64(len(fields[i].Value)) + 32
	}
	limit = int64(c.peer.maxHeaderList)
	return size, limit, size <= limit
}

// maxUnannouncedField is nghttp2's NGHTTP2_HD_MAX_NV.
const maxUnannouncedField = 64 << 10
