package tour

import (
	"fmt"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/demo/wiretap"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/internal/h2/hpack"
)

// maxField is how much of one header field is shown: details of an error can be long.
const maxField = 70

// wireView writes events of a tap for people. Header fields that an earlier section of the same direction
// had in the same words are only counted, as HPACK itself only refers to them.
type wireView struct {
	// immutable
	p *printer

	// owned by the tour's goroutine
	seen     map[fieldKey]bool
	encoding map[streamKey]string // grpc-encoding, by stream
	streams  map[uint32]bool
	frames   map[string]int // frames that belong to the connection, by type, not shown one by one
	bytes    [2]int         // by direction
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
		streams: map[uint32]bool{}, frames: map[string]int{},
	}
}

// show writes the events of calls and counts the rest.
func (v *wireView) show(events []wiretap.Event) {
	for i := range events {
		e := &events[i]
		v.bytes[e.Direction] += e.Size
		switch {
		case e.Frame() && e.Header.StreamID != 0 && e.Header.Type != frame.TypeWindowUpdate:
			v.streams[e.Header.StreamID] = true
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
		v.p.line(indent + "      " + v.p.paint(faint, l))
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
		for _, m := range e.Messages {
			parts = append(parts, v.message(e, m))
		}
	}
	if e.Header.End() {
		parts = append(parts, "END_STREAM")
	}
	return strings.Join(parts, " · ")
}

func (v *wireView) message(e *wiretap.Event, m wiretap.Message) string {
	text := "message of " + number(m.Size)
	if m.Compressed {
		text += ", " + v.encoding[streamKey{e.Direction, e.Header.StreamID}]
	}
	return text
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
		shown = append(shown, clip(fieldText(f), maxField))
	}
	if known > 0 {
		shown = append(shown, fmt.Sprintf("(+ %s as before)", count(known, "field")))
	}
	return wrap(shown, "  ", width-len(indent)-6)
}

func fieldText(f hpack.Field) string { return f.Name + ": " + f.Value }

// total says what went over the wire altogether.
func (v *wireView) total() string {
	return fmt.Sprintf("%s, %s bytes to the server and %s back",
		count(len(v.streams), "stream"), number(v.bytes[wiretap.ToServer]), number(v.bytes[wiretap.ToClient]))
}
