package faults

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A rule says how a connection misbehaves. The zero rule is a good network.
type rule struct {
	cutRead, cutWrite int           // the connection breaks after so many bytes, < 0: never
	piece             int           // most bytes of a read or write, 0: any
	delay             time.Duration // before each read returns
}

var errCut = errors.New("the cable was cut")

// A faulty connection keeps to a rule.
type faulty struct {
	net.Conn
	rule rule

	mu            sync.Mutex
	read, written int // guarded by mu
}

func (f *faulty) Read(p []byte) (int, error) {
	if f.rule.piece > 0 {
		p = p[:min(len(p), f.rule.piece)]
	}
	n, err := f.Conn.Read(p)
	if f.rule.delay > 0 {
		<-time.After(f.rule.delay)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if cut := f.rule.cutRead; cut >= 0 && f.read+n > cut {
		n = max(0, cut-f.read)
		f.read = cut
		_ = f.Conn.Close()
		return n, errCut
	}
	f.read += n
	return n, err
}

func (f *faulty) Write(p []byte) (int, error) {
	sent := 0
	for len(p) > 0 {
		k := len(p)
		if f.rule.piece > 0 {
			k = min(k, f.rule.piece)
		}
		f.mu.Lock()
		cut := f.rule.cutWrite >= 0 && f.written+k > f.rule.cutWrite
		if cut {
			k = max(0, f.rule.cutWrite-f.written)
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
			return sent, errCut
		}
		p = p[k:]
	}
	return sent, nil
}

func (f *faulty) counts() (read, written int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read, f.written
}
