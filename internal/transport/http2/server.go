package http2

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/tlstext"
	"github.com/naru-rpc/naru/internal/transport"
)

// ServerConn is the server's side of a connection.
type ServerConn struct {
	conn
	cfg *ServerConfig
}

// ServeConn serves a connection on a goroutine of its own: the TLS handshake if cfg has one, the
// preface, then streams for h until Done. It owns nc. cfg is shared and not changed. h may be a
// transport.ConnDoner and a transport.Backlogger.
func ServeConn(nc net.Conn, cfg *ServerConfig, h transport.ServerHandler) *ServerConn {
	c := &ServerConn{cfg: cfg}
	if cfg.TLS != nil {
		nc = tls.Server(SpillTLS(nc), cfg.TLS)
	}
	if cfg.Count != nil {
		c.count = func(err *transport.Error) { cfg.Count(&c.info, err) }
	}
	limits := cfg.resolved()
	c.memory = cfg.memory
	c.init(nc, h2.Server, limits, cfg.Keepalive)
	c.handler = h
	go c.serve()
	return c
}

func (c *ServerConn) serve() {
	c.nc.SetReadDeadline(time.Now().Add(c.limits.PrefaceTimeout))
	if tc, ok := c.nc.(*tls.Conn); ok {
		c.nc.SetWriteDeadline(time.Now().Add(c.limits.PrefaceTimeout))
		if err := c.handshake(tc); err != nil {
			// The alert tells the peer why. Its preface may have come already and is not read, so
			// that a plain close would be a TCP reset, see linger.
			c.refuse(reason.TLSHandshake, tlstext.Handshake(err), err, !errors.Is(err, io.EOF))
			return
		}
		c.nc.SetWriteDeadline(time.Time{})
	}
	first, err := c.readPreface()
	if err != nil {
		c.refuse(reason.Preface, "connection preface not received", err, false)
		return
	}
	if first != nil {
		c.http1(first)
		return
	}
	c.greet()
	c.startKeepalive()
	c.startAge()
	c.readLoop()
}

// handshake completes TLS and notes its result for handlers.
func (c *ServerConn) handshake(tc *tls.Conn) error {
	if err := tc.Handshake(); err != nil {
		return err
	}
	state := tc.ConnectionState()
	c.info.TLS = &state
	if s, ok := tc.NetConn().(*spillConn); ok {
		s.started.Store(true)
		c.spill = s
	}
	return nil
}

// refuse ends a connection that never spoke HTTP/2. told: the peer was sent something, which it
// must be able to read before the socket is closed.
func (c *ServerConn) refuse(token reason.Code, text string, err error, told bool) {
	e := &transport.Error{
		Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Code: uint32(frame.ProtocolError),
		Token: token, Reason: text, Cause: err,
	}
	c.fail(e)
	if told {
		c.linger(e, 0)
	}
	c.teardown()
}

// readPreface reads the client preface (RFC 9113 §3.4). Bytes that are none are returned: they
// may be HTTP/1.1.
func (c *ServerConn) readPreface() (other []byte, err error) {
	buf := make([]byte, 0, len(h2.Preface))
	for len(buf) < len(h2.Preface) {
		n, err := c.nc.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if string(buf) != h2.Preface[:len(buf)] {
			return buf, nil
		}
		if err != nil && len(buf) < len(h2.Preface) {
			if err == io.EOF && len(buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return nil, nil
}

// http1 hands a connection that does not speak HTTP/2 over.
func (c *ServerConn) http1(first []byte) {
	c.nc.SetReadDeadline(time.Time{})
	if c.cfg.HTTP1 != nil && looksLikeHTTP1(first) {
		nc := c.nc
		c.mu.Lock()
		c.phase = connEnded
		c.err = &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginPeer, Token: reason.HTTP1, Reason: "connection speaks HTTP/1.1"}
		c.drainLocked(refusing)
		c.mu.Unlock()
		c.h.TakeOut(nil)
		c.counted(c.err)
		c.finished()
		if c.spill != nil {
			c.spill.started.Store(false) // net/http needs blocking writes
		}
		c.cfg.HTTP1(&replayConn{Conn: nc, first: first})
		return
	}
	if looksLikeHTTP1(first) {
		c.nc.SetWriteDeadline(time.Now().Add(farewellTimeout))
		_, _ = io.WriteString(c.nc, http1Answer)
	}
	c.refuse(reason.BadPreface, "peer does not speak HTTP/2", nil, true)
}

const http1Answer = "HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 44\r\nConnection: close\r\n\r\nthis port speaks gRPC, which needs HTTP/2.\r\n"

// looksLikeHTTP1 reports whether the bytes begin an HTTP/1 request line.
func looksLikeHTTP1(b []byte) bool {
	for _, method := range [...]string{"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE "} {
		n := min(len(b), len(method))
		if string(b[:n]) == method[:n] {
			return true
		}
	}
	return false
}

// replayConn returns bytes that were read already before it reads more.
type replayConn struct {
	net.Conn
	first []byte
}

func (r *replayConn) Read(p []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(p, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}

// Close ends the connection and every stream with err.
func (c *conn) Close(err *transport.Error) {
	if err == nil {
		err = &transport.Error{
			Scope: transport.ScopeConn, Origin: transport.OriginUser, Code: uint32(frame.NoError),
			Token: reason.Closed, Reason: "connection closed by this side",
		}
	}
	c.fail(err)
}
