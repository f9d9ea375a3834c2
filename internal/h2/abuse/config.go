package abuse

import (
	"errors"
	"fmt"
	"time"

	"github.com/naru-rpc/naru/limits"
)

// A Rate allows Burst events at once and PerSecond more each second after.
type Rate = limits.Rate

// MaxRate bounds the numbers of a Rate, so that times stay in range.
const MaxRate = limits.MaxRate

// Unlimited switches off a limit that is a plain number.
const Unlimited = -1

// A Config holds the limits of a connection. Those about frames are used here; what each counts is
// described where users set it, in package limits.
type Config = limits.Limits

var defaults = Config{
	// Rapid reset (CVE-2023-44487) and MadeYouReset (CVE-2025-8671): nghttp2's figures since the
	// former.
	ResetsReceived: Rate{Burst: 1000, PerSecond: 33},
	ResetsCaused:   Rate{Burst: 1000, PerSecond: 33},
	// Ten times the resets, as each frame costs about a tenth.
	OddFrames: Rate{Burst: 10_000, PerSecond: 330},
	// A client that calls a method the server does not have, by mistake and over and over, is not
	// worth more.
	Refusals: Rate{Burst: 5000, PerSecond: 500},
	// CVE-2019-9515. A peer that doubles its window by measured bandwidth, from 64 KiB to 16 MiB,
	// sends eight SETTINGS within the first round trips of a connection. RFC 9113 has six entries.
	Settings:        Rate{Burst: 16, PerSecond: 4},
	SettingsEntries: 32,
	// CVE-2019-9512, and the two numbers of gRFC A8.
	Pings:        Rate{Burst: 10, PerSecond: 10},
	PingInterval: 5 * time.Minute,
	PingStrikes:  2,
	// Acknowledgments and resets that a peer asks for and does not read (CVE-2019-9515, -9517).
	ControlQueued: 1000,
	// CVE-2023-45288, CVE-2024-27316.
	Continuations:      8,
	LargeContinuations: 16,
	// The hard limit of the decoded list, which no sensible encoder's block exceeds.
	BlockBytes: 64 << 10,
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
	completeNumbers(&cfg)
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

func completeNumbers(c *Config) {
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
