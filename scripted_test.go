package naru_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
	"github.com/naru-rpc/naru/internal/memnet"
)

// scripted is a client that tests write byte by byte, of a server in the same bubble.
type scripted struct {
	t   *testing.T
	srv *naru.Server
	nc  *memnet.Conn
	enc *hpack.Encoder
	dec *hpack.Decoder
	in  []byte
	got map[uint32]*response

	pinged [][8]byte // PINGs that were not counted yet
	last   [8]byte   // the last that was
}

// pings returns how many PINGs have come since the last time.
func (s *scripted) pings() int {
	s.t.Helper()
	s.responses()
	n := len(s.pinged)
	if n > 0 {
		s.last = s.pinged[n-1]
	}
	s.pinged = nil
	return n
}

// pong answers the last PING that was counted.
func (s *scripted) pong() {
	s.t.Helper()
	s.write(frame.AppendPing(nil, true, s.last))
}

// script serves e in memory and connects to it with these settings of the client's.
func script(t *testing.T, e *echo, settings []frame.Setting, opts ...naru.ServerOption) *scripted {
	t.Helper()
	srv, err := naru.NewServer(append([]naru.ServerOption{naru.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	srv.RegisterService(e.desc())
	network := &memnet.Network{}
	lis, err := network.Listen("server")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	nc, err := network.Dial(context.Background(), "server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nc.Close()
		_ = srv.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	s := &scripted{t: t, srv: srv, nc: nc, enc: hpack.NewEncoder(4096), dec: hpack.NewDecoder(4096)}
	s.write([]byte(h2.Preface))
	s.write(frame.AppendSettings(nil, false, settings...))
	return s
}

func (s *scripted) write(b []byte) {
	s.t.Helper()
	if _, err := s.nc.Write(b); err != nil {
		s.t.Fatal(err)
	}
}

// head begins a call on a stream.
func (s *scripted) head(id uint32, path string, end bool, more ...string) {
	s.t.Helper()
	kv := append([]string{":method", "POST", ":scheme", "http", ":path", path, ":authority", "test",
		"content-type", "application/grpc", "te", "trailers"}, more...)
	b := s.enc.BeginBlock(nil)
	for i := 0; i < len(kv); i += 2 {
		b = s.enc.AppendField(b, hpack.Field{Name: kv[i], Value: kv[i+1]}, false)
	}
	s.write(frame.AppendHeaders(nil, id, end, frame.MinMaxFrameSize, b))
}

// call makes a call with one message on a stream.
func (s *scripted) call(id uint32, path, text string, more ...string) {
	s.t.Helper()
	s.head(id, path, false, more...)
	s.write(frame.AppendData(nil, id, true, wireText(text)))
}

// wireText is a message of the echo service with its prefix.
func wireText(text string) []byte {
	m := []byte{}
	if text != "" {
		m = append(binary.AppendUvarint([]byte{0x0a}, uint64(len(text))), text...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(m))), m...)
}

// response is what has come of a stream's response.
type response struct {
	sections [][]hpack.Field
	sizes    []int // of the sections, as RFC 9113 §6.5.2 counts
	body     int
	end      bool
	reset    bool
	code     frame.ErrCode
}

func (r *response) field(name string) string {
	for _, section := range r.sections {
		for _, f := range section {
			if f.Name == name {
				return f.Value
			}
		}
	}
	return ""
}

// responses returns what the server has sent until now, by stream.
func (s *scripted) responses() map[uint32]*response {
	s.t.Helper()
	synctest.Wait()
	s.nc.SetReadDeadline(time.Now().Add(1)) // only what is there
	for {
		var buf [64 << 10]byte
		n, err := s.nc.Read(buf[:])
		if s.in = append(s.in, buf[:n]...); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				s.t.Errorf("the connection ended: %v", err)
			}
			break
		}
	}
	if s.got == nil {
		s.got = make(map[uint32]*response)
	}
	all := s.got
	var block []byte
	for len(s.in) >= frame.HeaderLen {
		h := frame.ParseHeader(s.in)
		p := s.in[frame.HeaderLen : frame.HeaderLen+int(h.Length)]
		s.in = s.in[frame.HeaderLen+int(h.Length):]
		if h.StreamID == 0 {
			if h.Type == frame.TypePing && !h.Flags.Has(frame.FlagAck) {
				s.pinged = append(s.pinged, [8]byte(p))
			}
			continue
		}
		r := all[h.StreamID]
		if r == nil {
			r = &response{}
			all[h.StreamID] = r
		}
		r.end = r.end || h.Flags.Has(frame.FlagEndStream) && h.Type != frame.TypeContinuation
		switch h.Type {
		case frame.TypeHeaders, frame.TypeContinuation:
			if block = append(block, p...); h.Flags.Has(frame.FlagEndHeaders) {
				s.section(r, block)
				block = nil
			}
		case frame.TypeData:
			r.body += len(p)
		case frame.TypeRSTStream:
			r.code = frame.ErrCode(binary.BigEndian.Uint32(p))
			r.reset = !r.end // after the end it says only that the rest of the request is not wanted
		}
	}
	return all
}

func (s *scripted) section(r *response, block []byte) {
	s.t.Helper()
	ample := hpack.Limits{Size: 1 << 20, Fields: 1 << 12, HardSize: 1 << 20, HardFields: 1 << 12}
	fields, info, err := s.dec.Decode(nil, block, &ample)
	if err != nil {
		s.t.Fatal(err)
	}
	r.sections = append(r.sections, fields)
	r.sizes = append(r.sizes, int(info.Size))
	if first := len(r.sections) == 1; first != strings.HasPrefix(fields[0].Name, ":status") {
		s.t.Errorf("section %d of the response begins with %s", len(r.sections), fields[0].Name)
	}
}
