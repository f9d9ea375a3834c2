package naru_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/limits"
)

// TestStreamWindowIsAnnounced: the first window of streams is the one that was asked for, 1 MiB if
// none was.
func TestStreamWindowIsAnnounced(t *testing.T) {
	for set, want := range map[int]uint32{0: 1 << 20, 80 << 10: 80 << 10, 65535: 65535} {
		srv, err := naru.NewServer(naru.WithLimits(limits.Limits{StreamWindow: set}))
		if err != nil {
			t.Fatal(err)
		}
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- srv.Serve(lis) }()
		nc, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := nc.Write(frame.AppendSettings([]byte(h2.Preface), false)); err != nil {
			t.Fatal(err)
		}
		head := make([]byte, frame.HeaderLen)
		if _, err := io.ReadFull(nc, head); err != nil {
			t.Fatal(err)
		}
		h := frame.ParseHeader(head)
		payload := make([]byte, h.Length)
		if _, err := io.ReadFull(nc, payload); err != nil || h.Type != frame.TypeSettings {
			t.Fatalf("got %v, %v, want SETTINGS", h, err)
		}
		got := uint32(65535)
		for ; len(payload) >= 6; payload = payload[6:] {
			if id := frame.SettingID(uint16(payload[0])<<8 | uint16(payload[1])); id == frame.SettingInitialWindowSize {
				got = uint32(payload[2])<<24 | uint32(payload[3])<<16 | uint32(payload[4])<<8 | uint32(payload[5])
			}
		}
		if got != want {
			t.Errorf("StreamWindow %d: SETTINGS_INITIAL_WINDOW_SIZE is %d, want %d", set, got, want)
		}
		_ = nc.Close()
		_ = srv.Close()
		<-ended
	}
}
