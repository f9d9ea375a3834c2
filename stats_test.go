package naru_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/limits"
)

// limited serves with opts and returns the server and its address.
func limited(t *testing.T, opts ...naru.ServerOption) (*naru.Server, string) {
	t.Helper()
	srv, err := naru.NewServer(append(opts, naru.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return srv, lis.Addr().String()
}

// greeted dials and tells whether the server speaks: its SETTINGS come, or the end.
func greeted(t *testing.T, addr string) (net.Conn, bool) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(nc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		return nc, false
	}
	_, err = io.ReadFull(nc, make([]byte, 9))
	return nc, err == nil
}

func TestLimitsOfConnections(t *testing.T) {
	for _, tt := range []struct {
		opt    naru.ServerOption
		reason string
	}{
		{naru.WithLimits(limits.Limits{MaxConnections: 2}), "connections_over_limit"},
		{naru.WithLimits(limits.Limits{MaxConnectionsPerAddress: 2}), "connections_per_address_over_limit"},
	} {
		srv, addr := limited(t, tt.opt)
		first, ok1 := greeted(t, addr)
		_, ok2 := greeted(t, addr)
		if !ok1 || !ok2 {
			t.Fatalf("%s: connections within the limit were refused", tt.reason)
		}
		if _, ok := greeted(t, addr); ok {
			t.Errorf("%s: a third connection was served, want it closed", tt.reason)
		}
		if n := srv.Stats().Ended[tt.reason]; n != 1 {
			t.Errorf("%s is counted %d times, want 1: %v", tt.reason, n, srv.Stats())
		}
		_ = first.Close()
		deadline := time.Now().Add(5 * time.Second)
		for {
			nc, ok := greeted(t, addr) // refused until the server has seen the close
			if ok {
				break
			}
			_ = nc.Close()
			if time.Now().After(deadline) {
				t.Errorf("%s: refused while there is room again: %+v", tt.reason, srv.Stats())
				break
			}
		}
	}
}

func TestLimitsAreChecked(t *testing.T) {
	_, err := naru.NewServer(naru.WithLimits(limits.Limits{ReceiveMemory: -1, StreamWindow: 65534}),
		naru.WithLimits(limits.Limits{Pings: limits.Rate{Burst: 1, PerSecond: -1}}))
	if err == nil {
		t.Fatal("NewServer took limits that are out of range")
	}
	for _, want := range []string{"ReceiveMemory -1", "StreamWindow 65534", "WithLimits: Pings"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not name %s: %v", want, err)
		}
	}
	if _, err := naru.NewServer(naru.WithLimits(limits.Limits{ServerMemory: 1000})); err == nil || !strings.Contains(err.Error(), "ServerMemory 1000") {
		t.Errorf("ServerMemory of 1000: %v", err)
	}
	if _, err := naru.NewClient("passthrough:///x", naru.WithPlaintext(), naru.WithLimits(limits.Limits{Pings: limits.Rate{Burst: 1, PerSecond: -1}})); err == nil {
		t.Error("NewClient took limits that are out of range")
	}
}

// TestLimitsReachTheWire: a limit set lower fires, and says by which option it can be changed.
func TestLimitsReachTheWire(t *testing.T) {
	srv, addr := limited(t, naru.WithLimits(limits.Limits{SettingsEntries: 1}))
	nc, ok := greeted(t, addr)
	if !ok {
		t.Fatal("not greeted")
	}
	if _, err := io.WriteString(nc, "\x00\x00\x0c\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\xff\xff\x00\x04\x00\x00\xff\xff"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(nc)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Log(err)
	}
	if want := "Limits.SettingsEntries (1): settings_entries (WithLimits)"; !strings.Contains(string(all), want) {
		t.Errorf("GOAWAY does not say %q: %q", want, all)
	}
	if st := srv.Stats(); st.Ended["settings_entries"] != 1 || st.Accepted != 1 {
		t.Errorf("stats %+v, want one connection accepted and ended by settings_entries", st)
	}
}
