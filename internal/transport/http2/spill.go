package http2

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// spillConn lies between TLS and a socket. Once started, its Write does not block: what the
// socket does not take is kept, and drain writes it. So a goroutine that flushes for others never
// waits for a slow peer inside crypto/tls.
type spillConn struct {
	net.Conn // immutable
	raw      syscall.RawConn
	started  atomic.Bool

	// guarded by mu
	mu   sync.Mutex
	pend []byte
}

// SpillTLS prepares a socket for the TLS connection to be laid over it. Where the platform has
// no non-blocking writes it returns nc itself.
func SpillTLS(nc net.Conn) net.Conn {
	raw := rawConn(nc)
	if raw == nil {
		return nc
	}
	return &spillConn{Conn: nc, raw: raw}
}

// Write implements net.Conn.
func (s *spillConn) Write(p []byte) (int, error) {
	if !s.started.Load() {
		return s.Conn.Write(p) // the handshake, under its own deadline
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if len(s.pend) == 0 {
		var err error
		if n, err = writeRaw(s.raw, p); err != nil {
			return n, err
		}
	}
	s.pend = append(s.pend, p[n:]...)
	return len(p), nil
}

func (s *spillConn) blocked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pend) > 0
}

// drain writes what was kept, waiting for the peer no longer than limit says without getting on.
func (s *spillConn) drain(limit func() (d time.Duration, last bool)) error {
	for {
		s.mu.Lock()
		p := s.pend
		if len(p) == 0 {
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		// Writers only append, so p stays the front of pend; they block on nothing here.
		d, last := limit()
		s.Conn.SetWriteDeadline(time.Now().Add(d))
		n, err := s.Conn.Write(p)
		s.Conn.SetWriteDeadline(time.Time{})
		s.mu.Lock()
		s.pend = s.pend[n:]
		if len(s.pend) == 0 {
			s.pend = nil
		}
		s.mu.Unlock()
		if err != nil && (last || !onlySlow(n, err)) {
			return err
		}
	}
}
