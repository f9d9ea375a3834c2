package pcap_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/naru-rpc/naru/cmd/naru/internal/decode/pcap"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/recorded"
	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// TestJoins: whatever order, repetition, link layer and file format segments come in, the streams
// are the same.
func TestJoins(t *testing.T) {
	toServer, toClient := recorded.Traffic(t)
	for _, link := range []recorded.Link{recorded.Ethernet, recorded.VLAN, recorded.SLL, recorded.Null, recorded.RawIPv6} {
		for _, ng := range []bool{false, true} {
			c := recorded.Conversation(toServer, toClient, link)
			rand.New(rand.NewPCG(1, 2)).Shuffle(len(c)-2, func(i, j int) { c[i+2], c[j+2] = c[j+2], c[i+2] })
			c = append(c, c[3:6]...) // sent again
			conns, err := pcap.Read(recorded.File(c, link, ng))
			if err != nil || len(conns) != 1 {
				t.Fatalf("%v %v: %d connections, %v", link, ng, len(conns), err)
			}
			got := conns[0]
			if got.Server.Port() != 50051 || len(got.ToServer) != 1 || len(got.ToClient) != 1 {
				t.Fatalf("%v %v: %+v", link, ng, got)
			}
			if !bytes.Equal(got.ToServer[0].Bytes, toServer) || !bytes.Equal(got.ToClient[0].Bytes, toClient) || got.ToServer[0].Lost {
				t.Errorf("%v %v: the streams differ", link, ng)
			}
			if at := got.ToServer[0].Time(0); at.Year() != 2026 || at.Nanosecond()%int(time.Microsecond) != 0 {
				t.Errorf("%v %v: time %v", link, ng, at)
			}
		}
	}
}

// TestGaps: a lost segment cuts a direction in two; a lost beginning is said.
func TestGaps(t *testing.T) {
	toServer, toClient := recorded.Traffic(t)
	c := recorded.Conversation(toServer, toClient, recorded.Ethernet)
	for i, p := range c {
		if i > 6 && p.ToServer {
			c = append(c[:i:i], c[i+1:]...)
			break
		}
	}
	conns, err := pcap.Read(recorded.File(c, recorded.Ethernet, false))
	if err != nil || len(conns) != 1 || len(conns[0].ToServer) != 2 || !conns[0].ToServer[1].Lost || conns[0].ToServer[0].Lost {
		t.Errorf("a gap: %+v, %v", conns, err)
	}
	conns, err = pcap.Read(recorded.File(c[5:], recorded.Ethernet, false))
	if err != nil || len(conns) != 1 || !conns[0].ToServer[0].Lost || conns[0].Server.Port() != 50051 {
		t.Errorf("a lost beginning: %+v, %v", conns, err)
	}
}

func TestCutFiles(t *testing.T) {
	toServer, toClient := recorded.Traffic(t)
	for _, ng := range []bool{false, true} {
		file := recorded.File(recorded.Conversation(toServer, toClient, recorded.Ethernet), recorded.Ethernet, ng)
		if !pcap.Is(file) {
			t.Error("a capture file is not known as one")
		}
		if _, err := pcap.Read(file[:len(file)-3]); err == nil {
			t.Error("a cut file has no error")
		}
		if _, err := pcap.Read(file[:10]); err == nil {
			t.Error("a cut header has no error")
		}
	}
	if pcap.Is([]byte("\x0a\x03102")) {
		t.Error("a message is taken for a capture file")
	}
}

// FuzzRead: no file panics, and no more bytes come out than are in it.
func FuzzRead(f *testing.F) {
	c := recorded.Conversation([]byte("PRI * HTTP/2.0"), []byte("hello"), recorded.Ethernet)
	f.Add(recorded.File(c, recorded.Ethernet, false))
	f.Add(recorded.File(c, recorded.Ethernet, true))
	f.Add(recorded.File(recorded.Conversation([]byte("a"), []byte("b"), recorded.RawIPv6), recorded.RawIPv6, true))
	f.Add(binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4))
	f.Fuzz(func(t *testing.T, in []byte) {
		conns, _ := pcap.Read(in)
		total := 0
		for _, c := range conns {
			for _, runs := range [][]pcap.Run{c.ToServer, c.ToClient} {
				for _, r := range runs {
					total += len(r.Bytes)
					_ = r.Time(len(r.Bytes) - 1)
				}
			}
		}
		if total > len(in) {
			t.Fatalf("%d bytes out of %d", total, len(in))
		}
	})
}
