package serve

import (
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/logs"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
)

// A socket that a killed process has left is replaced; one that is in use, and a file that is no
// socket, is not.
func TestListenReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a socket in use: %v", err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = old.Close()
	lis, err := Listen("unix:" + path)
	if err != nil {
		t.Fatalf("a socket nothing answers on: %v", err)
	}
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.Close()
	_ = lis.Close()

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + file); err == nil {
		t.Error("listening on a file that is no socket worked")
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "precious" {
		t.Errorf("the file is %q, %v", b, err)
	}
}

// What peers cause is logged once in a while for each reason, with who it was.
func TestEndsAreLoggedOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s := testServer(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		info := &transport.ConnInfo{Remote: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 99}}
		end := func(token string) {
			s.count(info, &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginLocal, Token: reason.Code(token), Reason: strings.Repeat("x", 10_000)})
		}
		for range 1000 {
			end("reset_flood")
			end("preface")
		}
		<-time.After(logs.Period)
		end("reset_flood")
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 3 || len(log.String()) > 2000 {
			t.Fatalf("%d lines, %d bytes, want 3 short ones", len(lines), log.Len())
		}
		for i, want := range []string{"reason=reset_flood peer=10.1.2.3:99", "reason=preface peer=10.1.2.3:99", "suppressed=999"} {
			if !strings.Contains(lines[i], want) {
				t.Errorf("line %d is %.300s, want %s", i, lines[i], want)
			}
		}
	})
}
