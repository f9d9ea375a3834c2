package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Mode is the kind of work a caller does. One piece of it is what Result calls a call.
type Mode string

// The modes.
const (
	Unary    Mode = "unary"    // a unary call
	PingPong Mode = "pingpong" // a message there and back on a bidirectional stream of the caller's own
	Pipe     Mode = "pipe"     // the same stream, sending without waiting for the answers
	Server   Mode = "server"   // a message of a server stream that never ends
	Client   Mode = "client"   // a message sent on a client stream
	Idle     Mode = "idle"     // one unary call per connection, then nothing
)

// Modes lists every mode.
var Modes = []Mode{Unary, PingPong, Pipe, Server, Client, Idle}

// Config says what to do. Callers are spread evenly over the connections; if there are more
// connections than callers, each caller goes round its share of them call by call.
type Config struct {
	Mode     Mode
	Callers  int           // concurrent callers in all, at least 1
	Size     int           // payload bytes per message, 0 or more
	Duration time.Duration // measured time, above 0
	Warmup   time.Duration // run before it and not counted
	// Calls, if above 0, ends the run after that many, even before Duration.
	Calls int
	// Rate, if above 0, starts that many calls per second in all, at exponentially distributed
	// intervals. Unary and PingPong only.
	Rate float64
	// Depth is the most messages a caller of mode Pipe leaves unanswered; 0 means 100.
	Depth int
	// CallContext is the context of unary calls, with their metadata; nil means none.
	CallContext context.Context
	// CallTimeout, if above 0, gives every unary call a deadline.
	CallTimeout time.Duration
	// Beside, if above 0, keeps a server stream of messages with that many payload bytes
	// running on every connection, a hundred messages each, without counting it.
	Beside int
}

func (c *Config) check() error {
	var errs []error
	if c.CallContext == nil {
		c.CallContext = context.Background()
	}
	if c.Depth == 0 {
		c.Depth = 100
	}
	if c.Depth < 0 {
		errs = append(errs, fmt.Errorf("depth %d: want at least 1", c.Depth))
	}
	if !slices.Contains(Modes, c.Mode) {
		errs = append(errs, fmt.Errorf("mode %q: want one of %s", c.Mode, modeNames()))
	}
	if c.Callers < 1 {
		errs = append(errs, fmt.Errorf("callers %d: want at least 1", c.Callers))
	}
	if c.Size < 0 || c.Beside < 0 || c.Calls < 0 {
		errs = append(errs, errors.New("sizes and calls must not be negative"))
	}
	if c.Duration <= 0 || c.Warmup < 0 {
		errs = append(errs, fmt.Errorf("duration %v after a warm-up of %v: want a duration above 0", c.Duration, c.Warmup))
	}
	if c.Rate < 0 || c.Rate > 0 && c.Mode != Unary && c.Mode != PingPong {
		errs = append(errs, fmt.Errorf("rate %v in mode %s: want a positive rate in mode unary or pingpong", c.Rate, c.Mode))
	}
	return errors.Join(errs...)
}

func modeNames() string {
	var names []string
	for _, m := range Modes {
		names = append(names, string(m))
	}
	return strings.Join(names, ", ")
}
