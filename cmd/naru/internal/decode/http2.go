package decode

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/frames"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/pcap"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/rawproto"
)

// step is a frame of one side of a connection, as --output json has it.
type step struct {
	Side string     `json:"side,omitempty"` // "client" or "server": who sent it
	Time *time.Time `json:"time,omitempty"`
	frames.Event
	Messages []prefixedMessage `json:"messages,omitempty"`

	bytes []byte
}

// calls is what the header fields of a connection say about its streams.
type calls struct {
	paths        map[uint32]string
	compressions map[string]string // by side and stream
}

func newCalls() *calls { return &calls{map[uint32]string{}, map[string]string{}} }

// learn takes what a header block says.
func (c *calls) learn(side string, e *frames.Event) {
	for _, f := range e.Fields {
		switch {
		case f.Lost:
		case f.Name == ":path":
			c.paths[e.Stream] = f.Value
		case f.Name == "grpc-encoding":
			c.compressions[fmt.Sprint(side, e.Stream)] = f.Value
		}
	}
}

// typeOf returns the type of a stream's messages of one side.
func (x *explainer) typeOf(c *calls, side string, stream uint32) protoreflect.MessageDescriptor {
	m := x.types.method(c.paths[stream])
	switch {
	case m == nil:
		return nil
	case side == "server":
		return m.Output()
	}
	return m.Input()
}

// steps explains the events of one side in order.
func (x *explainer) steps(side string, in []byte, lost bool) []step {
	var out []step
	for _, e := range frames.Read(in, lost) {
		out = append(out, step{Side: side, Event: e, bytes: in[e.Offset : e.Offset+e.Length]})
	}
	return out
}

// explainMessages fills in the messages of a step, when all steps before it have been learnt.
func (x *explainer) explainMessages(c *calls, s *step) {
	c.learn(s.Side, &s.Event)
	compression := c.compressions[fmt.Sprint(s.Side, s.Stream)]
	for _, m := range s.Event.Messages {
		flags := byte(0)
		if m.Compressed {
			flags = 1
		}
		pm := x.prefixed(m.Offset, flags, m.Size, m.Body, compression, x.typeOf(c, s.Side, s.Stream))
		if m.Cut {
			pm.Problem = fmt.Sprintf("cut off: %d of %d bytes are there", len(m.Body), m.Size)
		}
		s.Messages = append(s.Messages, pm)
	}
}

// direction explains the bytes of one direction.
func (x *explainer) direction(in []byte) error {
	list := x.steps("", in, false)
	c := newCalls()
	for i := range list {
		if hasField(&list[i].Event, ":status") {
			markAll(list, "server")
		} else if hasField(&list[i].Event, ":path") {
			markAll(list, "client")
		}
	}
	problems := 0
	for i := range list {
		x.explainMessages(c, &list[i])
		problems += list[i].problems()
	}
	if err := x.print(map[string]any{"events": list}, func(out *strings.Builder) {
		for i := range list {
			x.writeStep(out, &list[i])
		}
	}); err != nil {
		return err
	}
	return unread(problems)
}

func markAll(list []step, side string) {
	for i := range list {
		list[i].Side = side
	}
}

func hasField(e *frames.Event, name string) bool {
	return slices.ContainsFunc(e.Fields, func(f frames.Entry) bool { return f.Name == name })
}

func (s *step) problems() int {
	n := 0
	if s.Problem != "" {
		n++
	}
	for _, m := range s.Messages {
		if m.Problem != "" {
			n++
		}
	}
	return n
}

func unread(problems int) error {
	switch problems {
	case 0:
		return nil
	case 1:
		return errors.New("1 part could not be read; it is marked with \"!\" or \"problem\"")
	}
	return fmt.Errorf("%d parts could not be read; they are marked with \"!\" or \"problem\"", problems)
}

func (x *explainer) print(v any, text func(*strings.Builder)) error {
	if x.config.output == "json" {
		return x.json(v)
	}
	var out strings.Builder
	text(&out)
	return x.write(out.String())
}

// writeStep writes a frame with its header fields and messages.
func (x *explainer) writeStep(out *strings.Builder, s *step) {
	problem := ""
	if s.Problem != "" {
		problem = "  ! " + s.Problem
	}
	side := map[string]string{"client": "-> ", "server": "<- "}[s.Side]
	rawproto.Line(out, s.Offset, s.bytes[:min(9, len(s.bytes))], "%s%s%s", side, s.Text, problem)
	for _, f := range s.Fields {
		lost := ""
		if f.Lost {
			lost = ", lost with the beginning of the capture"
		}
		fmt.Fprintf(out, "%36s%s: %s  [%s%s]\n", "", cli.Printable(f.Name), shownValue(f.Name, f.Value), f.How, lost)
	}
	if s.Table != nil {
		fmt.Fprintf(out, "%36sHPACK table: %d entries, %d of %d bytes\n", "", s.Table.Entries, s.Table.Bytes, s.Table.Max)
	}
	for i := range s.Messages {
		x.writePrefixed(out, nil, &s.Messages[i], "   ")
	}
}

// conversation is a connection as --output json has it.
type conversation struct {
	Client   string `json:"client"`
	Server   string `json:"server"`
	Events   []step `json:"events,omitempty"`
	Problem  string `json:"problem,omitempty"`
	problems int
}

// capture explains a capture file.
func (x *explainer) capture(in []byte) error {
	conns, readErr := pcap.Read(in)
	if len(conns) == 0 {
		if readErr != nil {
			return readErr
		}
		return errors.New("the capture has no TCP connection with data")
	}
	problems := 0
	list := []conversation{}
	for _, c := range conns {
		list = append(list, x.conversation(c))
		problems += list[len(list)-1].problems
	}
	err := x.print(map[string]any{"connections": list}, func(out *strings.Builder) {
		for i := range list {
			x.writeConversation(out, &list[i])
		}
	})
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return readErr
	}
	return unread(problems)
}

// conversation merges both directions of a connection by time.
func (x *explainer) conversation(c *pcap.Connection) conversation {
	v := conversation{Client: c.Client.String(), Server: c.Server.String()}
	if other := otherProtocol(c); other != "" {
		v.Problem = other
		v.problems = 1
		return v
	}
	collect := func(side string, runs []pcap.Run) {
		for _, r := range runs {
			for _, s := range x.steps(side, r.Bytes, r.Lost) {
				if at := r.Time(s.Offset + s.Length - 1); !at.IsZero() {
					at = at.UTC()
					s.Time = &at
				}
				v.Events = append(v.Events, s)
			}
		}
	}
	collect("client", c.ToServer)
	collect("server", c.ToClient)
	slices.SortStableFunc(v.Events, func(a, b step) int {
		if a.Time == nil || b.Time == nil {
			return 0
		}
		return a.Time.Compare(*b.Time)
	})
	known := newCalls()
	for i := range v.Events {
		known.learn(v.Events[i].Side, &v.Events[i].Event)
	}
	for i := range v.Events {
		x.explainMessages(known, &v.Events[i])
		v.problems += v.Events[i].problems()
	}
	return v
}

// otherProtocol says what a connection is if it is not HTTP/2 in plaintext; "" if it may be.
func otherProtocol(c *pcap.Connection) string {
	for _, runs := range [][]pcap.Run{c.ToServer, c.ToClient} {
		if len(runs) == 0 || runs[0].Lost || len(runs[0].Bytes) < 5 {
			continue
		}
		b := runs[0].Bytes
		switch {
		case b[0] == 0x16 && b[1] == 3:
			return "TLS: what it carries cannot be read here; Wireshark can export it decrypted if the client wrote an SSLKEYLOGFILE"
		case strings.HasPrefix(string(b), "HTTP/1.") || slices.Contains([]string{"GET ", "POST", "PUT ", "HEAD"}, string(b[:4])):
			return "HTTP/1.1, not HTTP/2"
		}
	}
	return ""
}

func (x *explainer) writeConversation(out *strings.Builder, v *conversation) {
	fmt.Fprintf(out, "connection %s -> %s\n", v.Client, v.Server)
	if v.Problem != "" {
		fmt.Fprintf(out, "  ! %s\n", v.Problem)
	}
	var start *time.Time
	for i := range v.Events {
		s := &v.Events[i]
		if s.Time != nil {
			if start == nil {
				start = s.Time
			}
			fmt.Fprintf(out, "%8.3f ms  ", float64(s.Time.Sub(*start))/1e6)
		}
		x.writeStep(out, s)
	}
	out.WriteByte('\n')
}
