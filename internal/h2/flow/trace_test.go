package flow

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write what happens into the traces")

// TestTraces runs the scripts in testdata. A line is a command; the indented lines after it are
// what it announced or decided:
//
//	conn INITIAL MAX MEMORY [unlimited]   begins a connection; base N and streams N may follow
//	first                                 the first window is changed if it is time
//	ack                                   the peer acknowledges that
//	excess                                the streams to end if first windows hold too much
//	open ID                               begins a stream
//	recv ID N                             N bytes come and go to the program
//	want ID N                             the message that began in the last recv lacks N bytes
//	late ID BEGIN END                     the program says only now that a message lies from BEGIN to END of the data
//	take ID N                             the program takes N bytes
//	close ID                              the peer sends no more
//	gone ID                               the stream is over; what it holds is dropped
//	rtt D, after D                        a round trip was measured; time passes
//	short on|off                          the server holds half of its memory
//	tick                                  Tick
//	show                                  the streams
//	slowest D BYTES/MOVED/AGE...          the order in which holders end
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newTrace(t).run(string(b))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(b) {
				t.Errorf("got\n%s\nwant\n%s", got, b)
			}
		})
	}
}

type trace struct {
	t       *testing.T
	c       Conn
	streams map[uint32]*Stream
	gone    map[uint32]*Stream
	last    map[uint32]int64 // bytes of the last recv
	now     int64
	short   bool
	out     []string
}

func newTrace(t *testing.T) *trace {
	return &trace{t: t, streams: map[uint32]*Stream{}, gone: map[uint32]*Stream{}, last: map[uint32]int64{}, now: 1e12}
}

func (tr *trace) run(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if strings.HasPrefix(line, "  ") {
			continue
		}
		b.WriteString(line)
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			tr.command(f[0], f[1:])
			if err := tr.c.Check(maps.Values(tr.streams)); err != nil {
				tr.t.Errorf("after %q: %v", line, err)
			}
		}
		for _, o := range tr.out {
			b.WriteString("  " + o + "\n")
		}
		tr.out = nil
	}
	return b.String()
}

func (tr *trace) note(format string, args ...any) {
	tr.out = append(tr.out, fmt.Sprintf(format, args...))
}

func (tr *trace) command(name string, args []string) {
	switch name {
	case "conn":
		clear(tr.streams)
		tr.c = NewConn(Config{
			Initial: tr.number(args[0]), Max: tr.number(args[1]), Memory: tr.number(args[2]),
			Unlimited: slices.Contains(args, "unlimited"), Base: tr.named(args, "base"), Streams: tr.named(args, "streams"),
			Short:    func() bool { return tr.short },
			Announce: func(id uint32, n int64) { tr.note("WINDOW_UPDATE %d +%d", id, n) },
		})
	case "first":
		if w, change := tr.c.FirstWindow(tr.inOrder, tr.now); change {
			tr.note("SETTINGS %d", w)
			tr.c.SetFirst(tr.inOrder, w, tr.now)
		}
	case "ack":
		tr.c.Acknowledged(tr.inOrder)
	case "excess":
		if tr.c.Overfull() {
			for _, s := range tr.c.Excess(tr.inOrder, tr.now) {
				tr.note("end %d", s.ID())
			}
		}
	case "rtt":
		tr.c.SampleRTT(int64(tr.duration(args[0])), tr.now)
	case "after":
		tr.now += int64(tr.duration(args[0]))
	case "short":
		tr.short = args[0] == "on"
	case "tick":
		for _, s := range tr.c.Tick(tr.inOrder, tr.now) {
			tr.note("end %d", s.ID())
		}
	case "show":
		for _, id := range slices.Sorted(maps.Keys(tr.streams)) {
			tr.note("%d: %v", id, tr.streams[id])
		}
		tr.note("held %d, waits %t", tr.c.Held(), tr.c.Waits())
	case "slowest":
		tr.slowest(args)
	default:
		tr.streamCommand(name, args)
	}
}

// named returns the number after a word, or 0.
func (tr *trace) named(args []string, word string) int64 {
	if i := slices.Index(args, word); i >= 0 {
		return tr.number(args[i+1])
	}
	return 0
}

func (tr *trace) streamCommand(name string, args []string) {
	id := uint32(tr.number(args[0]))
	n := int64(0)
	if len(args) > 1 {
		n = tr.number(args[1])
	}
	s := tr.streams[id]
	if s == nil {
		s = tr.gone[id]
	}
	switch name {
	case "open":
		s = new(Stream)
		tr.streams[id] = s
		tr.c.Open(s, id)
	case "recv":
		if !tr.c.Receive(n) {
			tr.note("above the connection's window")
		} else if !tr.c.ReceiveOn(s, n) {
			tr.note("above the window of %d", s.Window())
		} else {
			tr.c.Delivered(s, n, tr.now)
			tr.last[id] = n
		}
	case "want":
		tr.c.Want(s, max(s.msgEnd, s.got-tr.last[id]), s.got+n, tr.now)
	case "late":
		tr.c.Want(s, n, tr.number(args[2]), tr.now)
	case "take":
		tr.c.Consumed(s, n, tr.now)
	case "close":
		tr.c.Close(s, tr.now)
	case "gone":
		tr.c.Close(s, tr.now)
		tr.c.Consumed(s, s.Holder(tr.now).Bytes, tr.now)
		delete(tr.streams, id)
		tr.gone[id] = s
	default:
		tr.t.Fatalf("unknown command %q", name)
	}
}

func (tr *trace) slowest(args []string) {
	var holders []Holder
	for _, a := range args {
		f := strings.Split(a, "/")
		holders = append(holders, Holder{Bytes: tr.number(f[0]), Moved: tr.number(f[1]), Age: int64(tr.duration(f[2]))})
	}
	for _, i := range Slowest(holders) {
		tr.note("%s", args[i])
	}
}

// number reads "100", "64K" or "4M".
func (tr *trace) number(s string) int64 {
	unit := int64(1)
	if t, ok := strings.CutSuffix(s, "K"); ok {
		s, unit = t, 1<<10
	} else if t, ok := strings.CutSuffix(s, "M"); ok {
		s, unit = t, 1<<20
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		tr.t.Fatal(err)
	}
	return n * unit
}

func (tr *trace) duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil {
		tr.t.Fatal(err)
	}
	return d
}

// inOrder is an iterator over the streams by number, so that a trace says the same every time.
func (tr *trace) inOrder(yield func(*Stream) bool) {
	for _, id := range slices.Sorted(maps.Keys(tr.streams)) {
		if !yield(tr.streams[id]) {
			return
		}
	}
}
