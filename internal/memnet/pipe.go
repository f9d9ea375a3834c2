package memnet

import (
	"io"
	"os"
	"sync"
	"time"
)

// pipe is one direction of a connection: a bounded ring of bytes.
type pipe struct {
	mu   sync.Mutex
	cond sync.Cond // on mu; broadcast whenever anything below changes

	// guarded by mu
	ring      []byte // grows by doubling up to max, so that an idle connection costs nothing
	max       int    // capacity in bytes
	start     int    // index of the oldest byte
	n         int    // bytes held
	writeErr  error  // what Write returns from now on; nil while open
	readErr   error  // what Read returns once the ring is empty (io.EOF) or at once (readNow)
	readNow   bool   // readErr goes before what is left in the ring
	readStop  deadline
	writeStop deadline
}

func newPipe(max int) *pipe {
	p := &pipe{max: max}
	p.cond.L = &p.mu
	return p
}

// read waits for bytes, the end, or the read deadline.
func (p *pipe) read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.readNow:
			return 0, p.readErr
		case p.readStop.passed:
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case p.n > 0:
			n := p.takeLocked(b)
			p.cond.Broadcast()
			return n, nil
		case p.readErr != nil:
			return 0, p.readErr
		}
		p.cond.Wait()
	}
}

// write blocks until all of b is in the ring, as a socket's Write does.
func (p *pipe) write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var done int
	for {
		switch {
		case p.writeErr != nil:
			return done, p.writeErr
		case p.writeStop.passed:
			return done, os.ErrDeadlineExceeded
		}
		if n := p.putLocked(b[done:]); n > 0 {
			done += n
			p.cond.Broadcast()
		}
		if done == len(b) {
			return done, nil
		}
		p.cond.Wait()
	}
}

func (p *pipe) takeLocked(b []byte) int {
	n := copy(b, p.ring[p.start:min(p.start+p.n, len(p.ring))])
	if n < p.n {
		n += copy(b[n:], p.ring[:p.n-n])
	}
	p.start += n
	if p.start >= len(p.ring) {
		p.start -= len(p.ring)
	}
	p.n -= n
	return n
}

func (p *pipe) putLocked(b []byte) int {
	p.growLocked(len(b))
	b = b[:min(len(b), len(p.ring)-p.n)]
	end := p.start + p.n
	if end >= len(p.ring) {
		end -= len(p.ring)
	}
	n := copy(p.ring[end:], b)
	copy(p.ring, b[n:])
	p.n += len(b)
	return len(b)
}

func (p *pipe) growLocked(more int) {
	if len(p.ring) == p.max || p.n+more <= len(p.ring) {
		return
	}
	ring := make([]byte, min(p.max, max(2*len(p.ring), p.n+more)))
	held := p.n
	p.takeLocked(ring[:held])
	p.ring, p.start, p.n = ring, 0, held
}

// closeWrite ends the direction after what is held: the reader gets io.EOF, the writer err.
func (p *pipe) closeWrite(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writeStop.stop()
	if p.writeErr == nil {
		p.writeErr = err
	}
	if p.readErr == nil {
		p.readErr = io.EOF
	}
	p.cond.Broadcast()
}

// abort drops what is held: the reader gets readErr, the writer writeErr. An error that is
// already set stays.
func (p *pipe) abort(readErr, writeErr error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.readStop.stop()
	p.writeStop.stop()
	if !p.readNow {
		p.readNow, p.readErr = true, readErr
		p.ring, p.start, p.n = nil, 0, 0
		p.max = 0
	}
	if p.writeErr == nil {
		p.writeErr = writeErr
	}
	p.cond.Broadcast()
}

// held returns the bytes written and not yet read.
func (p *pipe) held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n
}

// deadline is the state of a read or write deadline, guarded by the pipe's mu.
type deadline struct {
	timer  *time.Timer // nil: none pending
	passed bool
	epoch  int // counts settings, so that a timer that fired late does not end a newer one
}

func (d *deadline) stop() {
	d.epoch++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// setDeadline sets d, which is p.readStop or p.writeStop. The zero time means none.
func (p *pipe) setDeadline(d *deadline, t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.stop()
	d.passed = false
	defer p.cond.Broadcast()
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		return
	}
	epoch := d.epoch
	d.timer = time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if d.epoch == epoch {
			d.passed = true
			d.timer = nil
			p.cond.Broadcast()
		}
	})
}
