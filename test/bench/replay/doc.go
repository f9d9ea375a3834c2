// Package replay makes unary calls at the least cost to itself: the bytes of a request are made
// once and sent again with other stream numbers, and of responses only the frame headers are looked
// at. One thread waits for all connections. What it measures is the server, also with thousands of
// connections, where a client that reads what it gets is the slower one. Linux only.
package replay

import (
	"errors"
	"time"
)

// Config says what to do.
type Config struct {
	Addr     string        // host:port, plaintext
	Path     string        // method called
	Message  []byte        // of each request
	Conns    int           // connections, at least 1
	Streams  int           // calls under way on each, at least 1
	Warmup   time.Duration // not counted; begins when all connections are there
	Duration time.Duration // measured, above 0
}

// Result is what a run measured.
type Result struct {
	Conns          int     `json:"conns"`
	Streams        int     `json:"streams"`
	Seconds        float64 `json:"seconds"`
	Calls          uint64  `json:"calls"`
	CallsPerSecond float64 `json:"calls_per_second"`
	// Busy is the share of the measured time this process used a processor. Near 1 the result is
	// its own speed, not the server's.
	Busy float64 `json:"busy"`
}

func (c *Config) check() error {
	switch {
	case c.Conns < 1 || c.Streams < 1:
		return errors.New("connections and streams: want at least 1 of each")
	case c.Warmup < 0 || c.Duration <= 0:
		return errors.New("want a duration above 0, and a warm-up of 0 or more")
	}
	return nil
}
