package abuse

import (
	"fmt"

	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
)

// Names of the limits: fields of Config, for messages.
const (
	limitResetsReceived     = "ResetsReceived"
	limitResetsCaused       = "ResetsCaused"
	limitOddFrames          = "OddFrames"
	limitRefusals           = "Refusals"
	limitSettings           = "Settings"
	limitSettingsEntries    = "SettingsEntries"
	limitPings              = "Pings"
	limitPingStrikes        = "PingStrikes"
	limitControlQueued      = "ControlQueued"
	limitContinuations      = "Continuations"
	limitLargeContinuations = "LargeContinuations"
	limitBlockBytes         = "BlockBytes"
)

// A Fault ends a connection whose peer used up an allowance, at once unless Drain is set.
type Fault struct {
	// Code is the error code of the GOAWAY frame to send before closing.
	Code frame.ErrCode
	// Token names the detection site: short, stable, unique in this package.
	Token reason.Code
	// Limit is the field of [Config] that decided, Allowed its value in words.
	Limit   string
	Allowed string
	// Drain: the connection takes no new streams, and ends when those that are open have. Further
	// faults may follow.
	Drain bool
	// Debug is GOAWAY's debug data: the token, but for pings, where gRFC A8 prescribes
	// "too_many_pings" and clients look for it.
	Debug string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("peer exceeded Limits.%s (%s): %s", f.Limit, f.Allowed, f.Token)
}

// fault makes a fault. It is the last thing a connection does, so it may allocate.
func fault(token reason.Code, limit, allowed string) *Fault {
	return &Fault{Code: frame.EnhanceYourCalm, Token: token, Limit: limit, Allowed: allowed, Debug: string(token)}
}

func rateFault(token reason.Code, limit string, r Rate) *Fault {
	return fault(token, limit, fmt.Sprintf("%d and %d/s", r.Burst, r.PerSecond))
}

func countFault(token reason.Code, limit string, n int) *Fault {
	return fault(token, limit, fmt.Sprint(n))
}

func pingFault(f *Fault) *Fault {
	f.Debug = "too_many_pings"
	return f
}
