package abuse

import "github.com/naru-rpc/naru/internal/reason"

const (
	// largeContinuation is the size from which a CONTINUATION frame counts as large: half of the
	// smallest SETTINGS_MAX_FRAME_SIZE, so that a peer that fills its frames is never taken for a
	// flood.
	largeContinuation = 8 << 10

	// tinyData is the size below which a DATA frame that does not end its stream is odd: a gRPC
	// message takes at least five bytes, so only a split message makes such frames.
	tinyData = 5
	// Each DATA frame of largeData or more entitles the peer to a tiny one: proxies cut where their
	// buffers end.
	largeData = 1 << 10

	// Each HEADERS or DATA frame this side sends entitles the peer to so many WINDOW_UPDATEs. Two
	// would do, one for the stream and one for the connection; but peers update for each piece they
	// read of a frame, and there are two pieces where a buffer ends (HAProxy: 3.9 updates for each
	// frame of 16 KiB).
	creditPerFrame = 8
	// mostCredit bounds what can be saved up of either.
	mostCredit = 1 << 16
)

// A Budget is what one connection's peer has left. Owned by the connection's read loop.
type Budget struct {
	policy *Policy

	received, caused, refused, odd, settings, pings bucket

	last         int64  // the latest time given: time does not run backwards here
	finishedSeen uint64 // calls that had ended in good order when earn was last asked
	lastPing     int64
	sentAtPing   uint64
	sentAtUpdate uint64
	windowCredit uint32
	dataCredit   uint32
	strikes      uint32
	credit       uint32 // earned by calls that were served, see earn
	pinged       bool   // lastPing is valid
	draining     bool   // a fault with Drain was returned

	// The field block being received.
	blockBytes    int
	continuations uint32
	small         uint32 // of them, shorter than largeContinuation
}

// New returns the budget of a fresh connection.
func (p *Policy) New() Budget { return Budget{policy: p} }

// clock keeps time from running backwards: a clock that was set back must not make an allowance
// look used up.
func (b *Budget) clock(now int64) int64 {
	b.last = max(b.last, now)
	return b.last
}

// Odd is a kind of frame that does nothing.
type Odd uint8

// Kinds of odd frames.
const (
	OddUnknownType  Odd = iota // a type RFC 9113 does not have (CVE-2026-27141)
	OddPriority                // PRIORITY, deprecated (CVE-2019-9513)
	OddClosedStream            // a frame for a stream that ended, legal for a while
	OddAck                     // SETTINGS or PING acknowledgment: few are asked for, and forged ones change nothing
	OddInterim                 // 1xx responses: one or two make sense
	OddGoAway                  // GOAWAY from a client, where one or two make sense
	oddData
	oddWindowUpdate
	oddContinuation
)

var oddTokens = [...]reason.Code{
	OddUnknownType:  "unknown_frame_flood",
	OddPriority:     "priority_flood",
	OddClosedStream: "closed_stream_flood",
	OddAck:          "ack_flood",
	OddInterim:      "interim_flood",
	OddGoAway:       "goaway_flood",
	oddData:         "tiny_data_flood",
	oddWindowUpdate: "window_update_flood",
	oddContinuation: "empty_continuation_flood",
}

// Odd charges an odd frame. The kinds share one allowance; the token tells which used it up.
func (b *Budget) Odd(now int64, kind Odd) *Fault {
	now = b.clock(now)
	if b.odd.take(now, b.policy.odd) {
		return nil
	}
	return rateFault(oddTokens[kind], limitOddFrames, b.policy.cfg.OddFrames)
}

// Data charges a DATA frame with n bytes of data, padding not counted, if it is odd: empty
// (CVE-2019-9518) or tiny and not the last of its stream, and not the rest of a large one that was
// cut.
func (b *Budget) Data(now int64, n int, end bool) *Fault {
	switch {
	case n >= largeData:
		b.dataCredit = min(b.dataCredit+1, mostCredit)
		return nil
	case n >= tinyData || end:
		return nil
	case n > 0 && b.dataCredit > 0:
		b.dataCredit--
		return nil
	}
	return b.Odd(now, oddData)
}

// WindowUpdate charges a WINDOW_UPDATE frame if it is redundant: more of them than the frames
// this side sent can have caused. sent counts the HEADERS and DATA frames sent on the
// connection so far. A zero increment is a fault in the stream: see ResetCaused.
func (b *Budget) WindowUpdate(now int64, sent uint64) *Fault {
	earned := min((sent-b.sentAtUpdate)*creditPerFrame, mostCredit)
	b.sentAtUpdate = sent
	b.windowCredit = min(b.windowCredit+uint32(earned), mostCredit)
	if b.windowCredit > 0 {
		b.windowCredit--
		return nil
	}
	return b.Odd(now, oddWindowUpdate)
}

// Settings charges a SETTINGS frame that is no acknowledgment. Call it before applying one of
// its entries.
func (b *Budget) Settings(now int64, entries int) *Fault {
	now = b.clock(now)
	if over(entries, b.policy.cfg.SettingsEntries) {
		return countFault("settings_entries", limitSettingsEntries, b.policy.cfg.SettingsEntries)
	}
	if b.settings.take(now, b.policy.settings) {
		return nil
	}
	return rateFault("settings_flood", limitSettings, b.policy.cfg.Settings)
}

// Ping charges a PING frame that is no acknowledgment. streams is the number of streams open;
// sent as for WindowUpdate.
//
// A PING after HEADERS or DATA were sent is free and forgives the strikes (gRFC A8): peers
// that measure the bandwidth send one for each round trip in which they receive data.
func (b *Budget) Ping(now int64, streams int, sent uint64) *Fault {
	now = b.clock(now)
	first, elapsed := !b.pinged, now-b.lastPing
	b.pinged, b.lastPing = true, now
	if sent != b.sentAtPing {
		b.sentAtPing, b.strikes = sent, 0
		return nil
	}
	cfg := &b.policy.cfg
	if !b.pings.take(now, b.policy.pings) {
		return pingFault(rateFault("ping_flood", limitPings, cfg.Pings))
	}
	interval := cfg.PingInterval
	if streams == 0 && !cfg.PingWithoutStreams {
		interval = idlePingInterval
	}
	if first || cfg.PingStrikes < 0 || elapsed >= int64(interval) {
		return nil
	}
	b.strikes++
	if int(b.strikes) <= cfg.PingStrikes {
		return nil
	}
	return pingFault(countFault("ping_strikes", limitPingStrikes, cfg.PingStrikes))
}

// Control checks how many frames wait to be written because the peer asked for them.
func (b *Budget) Control(queued int) *Fault {
	if !over(queued, b.policy.cfg.ControlQueued) {
		return nil
	}
	return countFault("control_queue", limitControlQueued, b.policy.cfg.ControlQueued)
}

// Headers starts a field block: HEADERS or PUSH_PROMISE with a fragment of n bytes.
func (b *Budget) Headers(n int) *Fault {
	b.blockBytes, b.continuations, b.small = 0, 0, 0
	return b.block(n)
}

// Continuation charges a CONTINUATION frame with a fragment of n bytes. end: it ends the block.
// Call it when the frame's header is known, before its payload is buffered.
func (b *Budget) Continuation(now int64, n int, end bool) *Fault {
	cfg := &b.policy.cfg
	if b.continuations++; over(int(b.continuations), cfg.LargeContinuations) {
		return countFault("continuation_flood", limitLargeContinuations, cfg.LargeContinuations)
	}
	if n < largeContinuation && !end {
		b.small++
	}
	if b.small > 0 && over(int(b.continuations), cfg.Continuations) {
		return countFault("small_continuation_flood", limitContinuations, cfg.Continuations)
	}
	if n == 0 {
		if f := b.Odd(now, oddContinuation); f != nil {
			return f
		}
	}
	return b.block(n)
}

// block adds to the block's size.
func (b *Budget) block(n int) *Fault {
	b.blockBytes += n
	if !over(b.blockBytes, b.policy.cfg.BlockBytes) {
		return nil
	}
	return countFault("block_bytes", limitBlockBytes, b.policy.cfg.BlockBytes)
}

// over reports whether n exceeds a limit, which is none if negative.
func over(n, limit int) bool { return limit >= 0 && n > limit }
