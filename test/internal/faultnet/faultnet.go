// Package faultnet is connections that misbehave by a rule.
package faultnet

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A Rule says how a connection misbehaves.
type Rule struct {
	CutRead, CutWrite int           // the connection breaks after so many bytes, < 0: never
	Piece             int           // most bytes of a read or write, 0: any
	Delay             time.Duration // before each read returns
}

// Good is the rule of a good network.
var Good = Rule{CutRead: -1, CutWrite: -1}

// ErrCut is what the side that met the rule sees.
var ErrCut = errors.New("the cable was cut")

// A Conn keeps to a rule. Safe for concurrent use as its net.Conn is.
type Conn struct {
	net.Conn
	rule Rule

	mu            sync.Mutex
	read, written int // guarded by mu
}

// New makes nc keep to r.
func New(nc net.Conn, r Rule) *Conn { return &Conn{Conn: nc, rule: r} }

// Read implements net.Conn.
func (f *Conn) Read(p []byte) (int, error) {
	if f.rule.Piece > 0 {
		p = p[:min(len(p), f.rule.Piece)]
	}
	n, err := f.Conn.Read(p)
	if f.rule.Delay > 0 {
		<-time.After(f.rule.Delay)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if cut := f.rule.CutRead; cut >= 0 && f.read+n > cut {
		n = max(0, cut-f.read)
		f.read = cut
		_ = f.Conn.Close()
		return n, ErrCut
	}
	f.read += n
	return n, err
}

// Write implements net.Conn.
func (f *Conn) Write(p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		k := len(p)
		if f.rule.Piece > 0 {
			k = min(k, f.rule.Piece)
		}
		f.mu.Lock()
		cut := f.rule.CutWrite >= 0 && f.written+k > f.rule.CutWrite
		if cut {
			k = max(0, f.rule.CutWrite-f.written)
		}
		f.written += k
		f.mu.Unlock()
		n, err := f.Conn.Write(p[:k])
		sent += n
		if err != nil {
			return sent, err
		}
		if cut {
			_ = f.Conn.Close()
			return sent, ErrCut
		}
		p = p[k:]
	}
	return sent, nil
}

// Counts returns how many bytes went each way.
func (f *Conn) Counts() (read, written int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read, f.written
}
