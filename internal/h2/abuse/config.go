package abuse

import (
	"errors"
	"fmt"
	"time"
)

// A Rate allows Burst events at once and PerSecond more each second after. In a [Config] the
// zero Rate stands for the default, a negative Burst for no limit; with PerSecond 0 the
// burst is all there ever is. Both are at most [MaxRate].
type Rate struct {
	Burst, PerSecond int
}

// MaxRate bounds the numbers of a Rate, so that times stay in range.
const MaxRate = 1_000_000_000

// Unlimited switches off a limit that is a plain number.
const Unlimited = -1

// A Config names the limits of a connection. Zero means the default, negative no limit.
type Config struct {
	// ResetsReceived limits RST_STREAM frames for calls that nothing was done for, see [Reset] (CVE-2023-44487, rapid
	// reset). ResetsCaused limits those the peer makes this side send by breaking rules of a stream or opening streams
	// beyond the limit (CVE-2025-8671, MadeYouReset). Default 1000 and 33/s: nghttp2's
	// figures since rapid reset.
	ResetsReceived Rate
	ResetsCaused   Rate
	// OddFrames limits frames that are legal and do nothing, see [Odd]. Default 10,000 and
	// 330/s: ten times the resets, as each costs about a tenth.
	OddFrames Rate
	// Refusals limits calls that are refused unseen, see [Budget.Refused]. Default 5000 and 500/s: a client that calls a method
	// the server does not have, by mistake and over and over, is not worth more.
	Refusals Rate
	// Settings limits SETTINGS frames (CVE-2019-9515). Default 16 and 4/s: a peer that
	// doubles its window by measured bandwidth, from 64 KiB to 16 MiB, sends eight within the
	// first round trips of a connection.
	Settings Rate
	// SettingsEntries limits the entries of one SETTINGS frame. Default 32: RFC 9113 has six.
	SettingsEntries int
	// Pings limits PING frames that do not answer anything this side sent (CVE-2019-9512).
	// Default 10 and 10/s.
	Pings Rate
	// PingInterval is the least time between PINGs without HEADERS or DATA sent in between, and
	// PingStrikes how often a peer may fall short of it (gRFC A8). Defaults 5 minutes and 2.
	// PingStrikes below zero switches the check off: right for clients, as gRFC A8 lets
	// servers ping as they like.
	PingInterval time.Duration
	PingStrikes  int
	// PingWithoutStreams applies PingInterval also while no stream is open; otherwise the interval
	// is two hours then (gRFC A8).
	PingWithoutStreams bool
	// ControlQueued limits the frames that wait to be written because the peer asked for them:
	// acknowledgments and resets (CVE-2019-9515, -9517). Default 1000.
	ControlQueued int
	// Continuations limits the CONTINUATION frames of a field block, LargeContinuations that of
	// a block whose CONTINUATION frames, but for the last, hold at least 8 KiB each
	// (CVE-2023-45288, CVE-2024-27316). Defaults 8 and 16.
	Continuations      int
	LargeContinuations int
	// BlockBytes limits a field block before it is decoded. Default 64 KiB, the hard limit of
	// the decoded list, which no sensible encoder's block exceeds.
	BlockBytes int
}

// Defaults of [Config]; the reasons stand there.
var defaults = Config{
	ResetsReceived:     Rate{1000, 33},
	ResetsCaused:       Rate{1000, 33},
	OddFrames:          Rate{10_000, 330},
	Refusals:           Rate{5000, 500},
	Settings:           Rate{16, 4},
	SettingsEntries:    32,
	Pings:              Rate{10, 10},
	PingInterval:       5 * time.Minute,
	PingStrikes:        2,
	ControlQueued:      1000,
	Continuations:      8,
	LargeContinuations: 16,
	BlockBytes:         64 << 10,
}

// idlePingInterval is the interval while no stream is open (gRFC A8: "2 hours").
const idlePingInterval = 2 * time.Hour

// A Policy is a compiled Config: immutable, shared by any number of budgets.
type Policy struct {
	cfg                                    Config // complete: no zero stands for a default
	received, caused, odd, settings, pings rate
	refusals                               rate
}

// NewPolicy completes and compiles cfg. The error names every value out of range.
func NewPolicy(cfg Config) (*Policy, error) {
	var errs []error
	for _, r := range []struct {
		limit string
		rate  *Rate
		def   Rate
	}{
		{limitResetsReceived, &cfg.ResetsReceived, defaults.ResetsReceived},
		{limitResetsCaused, &cfg.ResetsCaused, defaults.ResetsCaused},
		{limitOddFrames, &cfg.OddFrames, defaults.OddFrames},
		{limitRefusals, &cfg.Refusals, defaults.Refusals},
		{limitSettings, &cfg.Settings, defaults.Settings},
		{limitPings, &cfg.Pings, defaults.Pings},
	} {
		if *r.rate == (Rate{}) {
			*r.rate = r.def
		}
		if r.rate.Burst == 0 || r.rate.Burst > MaxRate || r.rate.PerSecond < 0 || r.rate.PerSecond > MaxRate {
			errs = append(errs, fmt.Errorf("abuse limit %s: %d and %d/s out of range: the burst is 1 to %d or negative, the rate 0 to %d",
				r.limit, r.rate.Burst, r.rate.PerSecond, MaxRate, MaxRate))
		}
	}
	if cfg.PingInterval < 0 {
		errs = append(errs, fmt.Errorf("abuse limit PingInterval: %v is negative", cfg.PingInterval))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	cfg.completeNumbers()
	return &Policy{
		cfg:      cfg,
		received: newRate(cfg.ResetsReceived),
		caused:   newRate(cfg.ResetsCaused),
		odd:      newRate(cfg.OddFrames),
		refusals: newRate(cfg.Refusals),
		settings: newRate(cfg.Settings),
		pings:    newRate(cfg.Pings),
	}, nil
}

func (c *Config) completeNumbers() {
	if c.PingInterval == 0 {
		c.PingInterval = defaults.PingInterval
	}
	for _, n := range []struct {
		value *int
		def   int
	}{
		{&c.SettingsEntries, defaults.SettingsEntries},
		{&c.PingStrikes, defaults.PingStrikes},
		{&c.ControlQueued, defaults.ControlQueued},
		{&c.Continuations, defaults.Continuations},
		{&c.LargeContinuations, defaults.LargeContinuations},
		{&c.BlockBytes, defaults.BlockBytes},
	} {
		if *n.value == 0 {
			*n.value = n.def
		}
	}
}
