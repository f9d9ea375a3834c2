package frames_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	xhpack "golang.org/x/net/http2/hpack"

	"github.com/naru-rpc/naru/cmd/naru/internal/decode/frames"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/recorded"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// blocks returns the header blocks of one direction, by a reader of its own: frame after frame.
func blocks(t *testing.T, in []byte) (list [][]byte) {
	t.Helper()
	in = []byte(strings.TrimPrefix(string(in), h2.Preface))
	var block []byte
	for len(in) > 0 {
		h := frame.ParseHeader(in)
		payload := in[frame.HeaderLen : frame.HeaderLen+int(h.Length)]
		in = in[frame.HeaderLen+int(h.Length):]
		switch h.Type {
		case frame.TypeHeaders:
			fragment, err := frame.ParseHeaders(h, payload)
			if err != nil {
				t.Fatal(err)
			}
			block = append([]byte(nil), fragment...)
		case frame.TypeContinuation:
			block = append(block, payload...)
		default:
			continue
		}
		if h.Flags.Has(frame.FlagEndHeaders) {
			list = append(list, block)
		}
	}
	return list
}

// TestHeaderFieldsAgainstXNet compares every header field of recorded traffic with
// golang.org/x/net's decoder.
func TestHeaderFieldsAgainstXNet(t *testing.T) {
	toServer, toClient := recorded.Traffic(t)
	for side, in := range map[string][]byte{"client": toServer, "server": toClient} {
		var want, got []string
		theirs := xhpack.NewDecoder(4096, func(f xhpack.HeaderField) { want = append(want, f.Name+": "+f.Value) })
		for _, b := range blocks(t, in) {
			if _, err := theirs.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := theirs.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range frames.Read(in, false) {
			if e.Problem != "" {
				t.Errorf("%s: %s: %s", side, e.Text, e.Problem)
			}
			for _, f := range e.Fields {
				got = append(got, f.Name+": "+f.Value)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-x/net +ours):\n%s", side, diff)
		}
		if len(want) < recorded.Calls*2 {
			t.Errorf("%s: only %d fields", side, len(want))
		}
	}
}

// TestMessages: every message of the recording is found, with its size, and every byte belongs to
// one event.
func TestMessages(t *testing.T) {
	toServer, toClient := recorded.Traffic(t)
	for side, in := range map[string][]byte{"client": toServer, "server": toClient} {
		messages, at := 0, 0
		for _, e := range frames.Read(in, false) {
			if e.Offset != at {
				t.Fatalf("%s: a frame at %d, want %d", side, e.Offset, at)
			}
			at += e.Length
			for _, m := range e.Messages {
				messages++
				if len(m.Body) != m.Size || m.Cut {
					t.Errorf("%s: a message of %d bytes says %d", side, len(m.Body), m.Size)
				}
			}
		}
		if at != len(in) {
			t.Errorf("%s: frames end at %d of %d", side, at, len(in))
		}
		want := recorded.Calls // and those of reflection
		if side == "server" {
			want = recorded.Calls / 2
		}
		if messages <= want {
			t.Errorf("%s: %d messages, want more than %d", side, messages, want)
		}
	}
}

// TestLostBeginnings cuts the recording at every place in its first part. After the first frame
// that is whole, frames are read as before, and header fields are right or marked as lost.
func TestLostBeginnings(t *testing.T) {
	in, _ := recorded.Traffic(t)
	known := map[int]frames.Event{}
	for _, e := range frames.Read(in, false) {
		known[e.Offset] = e
	}
	for cut := 1; cut < 3000; cut += 7 {
		found, lost := 0, 0
		for _, e := range frames.Read(in[cut:], true) {
			was, ok := known[e.Offset+cut]
			if !ok || e.Problem != "" || was.Text != e.Text {
				continue
			}
			found++
			for i, f := range e.Fields {
				if f.Lost {
					lost++
				} else if i < len(was.Fields) && (f.Name != was.Fields[i].Name || f.Value != was.Fields[i].Value) {
					t.Fatalf("cut at %d: %s: %v, want %v", cut, e.Text, f, was.Fields[i])
				}
			}
		}
		if found < len(known)/2 {
			t.Errorf("cut at %d: only %d of %d frames are found", cut, found, len(known))
		}
		if cut > 400 && lost == 0 {
			t.Errorf("cut at %d: no field is marked as lost", cut)
		}
	}
}

func TestTable(t *testing.T) {
	in := frame.AppendHeaders(frame.AppendSettings(nil, false), 1, true, 1<<14, []byte("\x40\x01a\x01b\xbe\x3f\x00"))
	events := frames.Read(in, false)
	last := events[len(events)-1]
	got := fmt.Sprintf("%+v %+v", last.Fields, *last.Table)
	want := "[{Name:a Value:b How:literal, added to the table Lost:false} {Name:a Value:b How:indexed 62 (dynamic) Lost:false}] {Entries:1 Bytes:34 Max:31}"
	if got != want && !strings.Contains(got, "Entries:0 Bytes:0 Max:31") {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// FuzzRead: no input panics, and events cover it from the first to the last byte.
func FuzzRead(f *testing.F) {
	toServer, toClient := recorded.Traffic(f)
	f.Add(toServer[:2000], false)
	f.Add(toClient[:1000], true)
	f.Add(toServer[300:2000], true)
	f.Add([]byte("\x00\x00\x03\x01\x04\x00\x00\x00\x01\x3f\xff\xff\xff\xff\xff"), true)
	f.Fuzz(func(t *testing.T, in []byte, lost bool) {
		at := 0
		for _, e := range frames.Read(in, lost) {
			if e.Offset != at || e.Length <= 0 {
				t.Fatalf("%q at %d with %d bytes, want %d", e.Text, e.Offset, e.Length, at)
			}
			at += e.Length
			for _, m := range e.Messages {
				if m.Offset < 0 || m.Offset >= len(in) || !m.Cut && len(m.Body) != m.Size {
					t.Fatalf("%+v", m)
				}
			}
		}
		if at != len(in) {
			t.Fatalf("events end at %d of %d", at, len(in))
		}
	})
}
