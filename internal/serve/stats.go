package serve

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"

	"github.com/naru-rpc/naru/internal/brief"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// count is called by the transport for each end, see http2.ServerConfig.Count.
func (s *Server) count(info *transport.ConnInfo, err *transport.Error) {
	s.ends.Add(err.Token)
	if err.Token == reason.ServerMemory || err.Token == reason.ConnectionMemory {
		s.log(slog.LevelWarn, err.Token, "naru: call ended to free memory", "reason", string(err.Token), "peer", info.Peer(), "error", brief.Text(err.Error(), brief.Most))
		return
	}
	if err.Scope != transport.ScopeConn || err.Origin != transport.OriginLocal && !badHandshake(err) {
		return
	}
	// A rule of this side ended the connection: the log says which, as the client may know no more
	// than that the server closed it.
	s.log(slog.LevelInfo, err.Token, "naru: connection ended", "reason", string(err.Token), "peer", info.Peer(), "error", brief.Text(err.Error(), brief.Most))
}

// badHandshake tells a TLS handshake that failed for a cause from a connection that was only
// closed, as port checks do.
func badHandshake(err *transport.Error) bool {
	var op *net.OpError // crypto/tls's alerts are such too, of other operations
	network := errors.As(err.Cause, &op) && (op.Op == "read" || op.Op == "write")
	return err.Token == reason.TLSHandshake && !network && !errors.Is(err.Cause, io.EOF)
}

// log logs a line that peers can cause, unless too many of the reason were logged lately.
func (s *Server) log(level slog.Level, code reason.Code, text string, attrs ...any) {
	l := s.cfg.Logger
	if !l.Enabled(context.Background(), level) {
		return
	}
	if suppressed, ok := s.cfg.Env.Logs.Allow(string(code)); ok {
		if suppressed > 0 {
			attrs = append(attrs, "suppressed", suppressed)
		}
		l.Log(context.Background(), level, text, attrs...)
	}
}

// Ended returns how often each reason ended a connection or, on this side, a stream.
func (s *Server) Ended() map[string]uint64 { return s.ends.Counts() }

// HeldBytes returns the bytes that count against the server's limit of memory.
func (s *Server) HeldBytes() int64 { return s.cfg.HTTP2.HeldBytes().Load() }

// Accepted returns how many connections were accepted.
func (s *Server) Accepted() uint64 { return s.accepted.Load() }

// admit reports whether a connection is within the limits, and counts it under its address.
func (s *Server) admit(c *connection, nc net.Conn) bool {
	s.accepted.Add(1)
	return s.admitAgain(c, nc)
}

// admitHTTP1 is admit for a connection handed over from the HTTP/2 side, which no longer counts it.
func (s *Server) admitHTTP1(c *connection, nc net.Conn) bool {
	if !s.admitAgain(c, nc) {
		return false
	}
	s.mu.Lock()
	s.http1Conns++
	s.mu.Unlock()
	return true
}

func (s *Server) removeHTTP1(c *connection) {
	s.mu.Lock()
	s.http1Conns--
	s.dischargeLocked(c)
	s.mu.Unlock()
}

func (s *Server) admitAgain(c *connection, nc net.Conn) bool {
	most, perAddr := s.cfg.MaxConns, s.cfg.MaxConnsPerAddress
	if most <= 0 && perAddr <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var token reason.Code
	switch addr := peerAddr(nc); {
	case most > 0 && s.admitted >= most:
		token = reason.ConnectionsOverLimit
	case perAddr > 0 && s.byAddr[addr] >= perAddr:
		token = reason.ConnectionsPerAddressOverLimit
	default:
		s.admitted++
		if perAddr > 0 {
			s.byAddr[addr]++
		}
		c.admitted, c.addr = true, addr
		return true
	}
	s.ends.Add(token)
	s.log(slog.LevelInfo, token, "naru: connection refused", "reason", string(token), "peer", nc.RemoteAddr().String())
	return false
}

// dischargeLocked takes a connection that has ended off the counts.
func (s *Server) dischargeLocked(c *connection) {
	if !c.admitted {
		return
	}
	c.admitted = false
	s.admitted--
	if s.cfg.MaxConnsPerAddress > 0 {
		if s.byAddr[c.addr]--; s.byAddr[c.addr] == 0 {
			delete(s.byAddr, c.addr)
		}
	}
}

// peerAddr is the peer's IP address, without the port; the zero Addr if it has none.
func peerAddr(nc net.Conn) netip.Addr {
	a, ok := nc.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap()
}
