package tour

import (
	"fmt"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/demo/wiretap"
	"github.com/naru-rpc/naru/internal/h2/frame"
)

// fieldIndent is where header fields start.
const fieldIndent = indent + "      "

// wireView writes events of a tap for people. Header fields that an earlier section of the same
// direction had in the same words are only counted, as HPACK itself only refers to them.
type wireView struct {
	// immutable
	p *printer

	// owned by the tour's goroutine
	seen     map[fieldKey]bool
	encoding map[streamKey]string // grpc-encoding, by stream
	streams  map[uint32]bool
	reset    map[uint32]bool // by the client
	frames   map[string]int  // what is not shown one by one, by its name
	bytes    [2]int          // by direction
}

type fieldKey struct {
	direction   wiretap.Direction
	name, value string
}

type streamKey struct {
	direction wiretap.Direction
	stream    uint32
}

func newWireView(p *printer) *wireView {
	return &wireView{
		p: p, seen: map[fieldKey]bool{}, encoding: map[streamKey]string{},
		streams: map[uint32]bool{}, reset: map[uint32]bool{}, frames: map[string]int{},
	}
}

// show writes the frames of calls, and counts what belongs to the connection.
func (v *wireView) show(events []wiretap.Event) {
	for i := range events {
		e := &events[i]
		v.bytes[e.Direction] += e.Size
		switch {
		case e.Frame() && v.reset[e.Header.StreamID]:
			// The server had not seen the reset yet. Such frames come whenever they come; shown,
			// they would appear in a later step.
			v.frames[e.Header.Type.String()+" of a stream after its reset"]++
		case e.Frame() && e.Header.StreamID != 0 && e.Header.Type != frame.TypeWindowUpdate:
			v.streams[e.Header.StreamID] = true
			v.reset[e.Header.StreamID] = e.Header.Type == frame.TypeRSTStream
			v.frame(e)
		case e.Frame():
			v.frames[e.Header.Type.String()]++
		default:
			v.frames[e.Text]++
		}
	}
}

func (v *wireView) frame(e *wiretap.Event) {
	arrow, color := "-->", sent
	if e.Direction == wiretap.ToClient {
		arrow, color = "<--", received
	}
	head := fmt.Sprintf("%s %-10s", arrow, e.Header.Type)
	line := fmt.Sprintf(" stream %-3d %s", e.Header.StreamID, v.describe(e))
	v.p.line(indent + v.p.paint(color, head) + line)
	for _, l := range v.fields(e) {
		v.p.line(fieldIndent + v.p.paint(faint, l))
	}
}

// describe says what is in a frame, on the rest of its line.
func (v *wireView) describe(e *wiretap.Event) string {
	parts := []string{count(e.Size, "byte")}
	switch e.Header.Type {
	case frame.TypeRSTStream:
		_, code, _ := strings.Cut(e.Text, "len=4 ")
		parts = append(parts, "code "+code)
	case frame.TypeData:
		if len(e.Messages) > 0 {
			parts = append(parts, v.messages(e))
		}
	}
	if e.Header.End() {
		parts = append(parts, "END_STREAM")
	}
	return strings.Join(parts, " · ")
}

// messages returns "message of 5", or "3 messages of 5, 12 (gzip) and 5 bytes".
func (v *wireView) messages(e *wiretap.Event) string {
	var sizes []string
	for _, m := range e.Messages {
		size := number(m.Size)
		if m.Compressed {
			size += " (" + v.encoding[streamKey{e.Direction, e.Header.StreamID}] + ")"
		}
		sizes = append(sizes, size)
	}
	if len(sizes) == 1 {
		return "message of " + sizes[0]
	}
	return fmt.Sprintf("%d messages of %s", len(sizes), strings.Join(sizes, ", "))
}

// fields returns the lines that show a field section.
func (v *wireView) fields(e *wiretap.Event) []string {
	var shown []string
	known := 0
	for _, f := range e.Fields {
		if f.Name == "grpc-encoding" {
			v.encoding[streamKey{e.Direction, e.Header.StreamID}] = f.Value
		}
		key := fieldKey{e.Direction, f.Name, f.Value}
		if v.seen[key] {
			known++
			continue
		}
		v.seen[key] = true
		shown = append(shown, chop(f.Name+": "+f.Value, width-len(fieldIndent))...)
	}
	if known > 0 {
		shown = append(shown, fmt.Sprintf("(+ %s as before)", count(known, "field")))
	}
	return wrap(shown, "  ", width-len(fieldIndent))
}

// total says what went over the wire altogether.
func (v *wireView) total() string {
	return fmt.Sprintf("%s, %s bytes to the server and %s back",
		count(len(v.streams), "stream"), number(v.bytes[wiretap.ToServer]), number(v.bytes[wiretap.ToClient]))
}
