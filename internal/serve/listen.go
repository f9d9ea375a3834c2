package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport/http2"
)

// Listen opens a listener: "host:port", ":port", or "unix:path" (also "unix:///path"). A socket
// file that a process which was killed has left, and which nothing answers on, is replaced.
func Listen(addr string) (net.Listener, error) {
	network, address := "tcp", addr
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		network, address = "unix", path
		if strings.HasPrefix(path, "///") {
			address = path[2:]
		}
	}
	lis, err := net.Listen(network, address)
	if network == "unix" && err != nil && removeStale(address) {
		lis, err = net.Listen(network, address)
	}
	return lis, err
}

// Pauses after an accept that failed, such as for want of file descriptors (EMFILE, ENFILE).
// Nothing frees them but connections that end, so that the loop waits and tries again for ever.
const (
	firstPause = 5 * time.Millisecond
	longPause  = 200 * time.Millisecond
)

// Serve accepts connections until the server stops, which returns nil, or lis is closed by somebody
// else. It closes lis. A server that has stopped before returns ErrClosed.
func (s *Server) Serve(lis net.Listener) error {
	if !s.addListener(lis) {
		_ = lis.Close() // as Serve promises; there is no one to tell
		return ErrClosed
	}
	defer s.removeListener(lis)
	pause := time.Duration(0)
	for {
		nc, err := lis.Accept()
		if err == nil {
			pause = 0
			s.serveConn(nc)
			continue
		}
		select {
		case <-s.stopped:
			return nil
		default:
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept on %s: %w", lis.Addr(), err)
		}
		pause = min(max(firstPause, 2*pause), longPause)
		s.log(slog.LevelWarn, reason.Accept, "naru: accept failed; trying again", "address", lis.Addr().String(), "pause", pause, "error", err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-s.stopped:
			t.Stop()
			return nil
		}
	}
}

func (s *Server) addListener(lis net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.listeners[lis] = struct{}{}
	return true
}

func (s *Server) removeListener(lis net.Listener) {
	s.mu.Lock()
	delete(s.listeners, lis)
	s.mu.Unlock()
	_ = lis.Close() // closed already, if the server stopped
}

// serveConn serves a connection until it ends.
func (s *Server) serveConn(nc net.Conn) {
	c := newConnection(s)
	if !s.admit(c, nc) {
		_ = nc.Close() // refused before anything was exchanged
		return
	}
	t := http2.ServeConn(nc, &s.cfg.HTTP2, c)
	if !s.add(c, t) {
		t.Close(nil)
	}
}
