package replay

import (
	"bytes"
	"encoding/binary"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/naru-rpc/naru/test/bench/echo"
)

func TestRead(t *testing.T) {
	var in bytes.Buffer
	fr := http2.NewFramer(&in, nil)
	for _, err := range []error{
		fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 15}),
		fr.WriteSettingsAck(),
		fr.WritePing(false, [8]byte{1, 2, 3, 4, 5, 6, 7, 8}),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x88}, EndHeaders: true}),
		fr.WriteData(1, false, []byte("message")),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xbe}, EndHeaders: true, EndStream: true}),
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	all := in.Bytes()
	var answers bytes.Buffer
	fr = http2.NewFramer(&answers, nil)
	_ = fr.WriteSettingsAck()
	_ = fr.WritePing(true, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	// In two pieces, wherever they are cut.
	for cut := range len(all) {
		var s seen
		rest, out, err := s.read(all[:cut], nil)
		if err != nil {
			t.Fatal(err)
		}
		if rest, out, err = s.read(append(bytes.Clone(rest), all[cut:]...), out); err != nil || len(rest) > 0 {
			t.Fatalf("cut at %d: %x left, %v", cut, rest, err)
		}
		if s.ended != 2 || s.messages != 1 || !bytes.Equal(out, answers.Bytes()) {
			t.Fatalf("cut at %d: %+v, answered %x, want %x", cut, s, out, answers.Bytes())
		}
	}
	for _, bad := range []string{"\x00\x00\x04\x03\x00\x00\x00\x00\x01\x00\x00\x00\x07", "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0b"} {
		if _, _, err := new(seen).read([]byte(bad), nil); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestScript(t *testing.T) {
	s, err := newScript(&Config{Addr: "localhost:1", Path: "/a/b", Message: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	fr := http2.NewFramer(nil, bytes.NewReader(s.appendCall(s.appendCall(nil, 1), 3)))
	for _, id := range []uint32{1, 1, 3, 3} {
		f, err := fr.ReadFrame()
		if err != nil || f.Header().StreamID != id {
			t.Fatal(f, err)
		}
		if d, ok := f.(*http2.DataFrame); ok && (binary.BigEndian.Uint32(d.Data()[1:]) != 5 || !d.StreamEnded()) {
			t.Errorf("message %q", d.Data())
		}
	}
}

func TestRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("epoll is Linux's")
	}
	for _, impl := range []echo.Impl{echo.Naru, echo.GRPCGo} {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		srv, err := echo.NewServer(impl, nil)
		if err != nil {
			t.Fatal(err)
		}
		served := make(chan error, 1)
		go func() { served <- srv.Serve(lis) }()
		cfg := Config{Addr: lis.Addr().String(), Path: "/naru.bench.v1.Echo/Unary", Conns: 3, Streams: 5, Duration: 50 * time.Millisecond}
		res, err := Run(t.Context(), cfg)
		if err != nil || res.Calls < 15 || res.Busy <= 0 {
			t.Errorf("%s: %+v, %v", impl, res, err)
		}
		cfg.Path = "/naru.bench.v1.Echo/None"
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Errorf("%s: calls of no method: %v", impl, err)
		}
		srv.Stop()
		<-served
		cfg.Duration = 0
		if _, err := Run(t.Context(), cfg); err == nil {
			t.Error("no duration: no error")
		}
	}
}
