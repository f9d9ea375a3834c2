package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/dynamic"
)

// requests gives the messages to send, one at a time; io.EOF at the end.
type requests interface{ next() (any, error) }

// given is a request that was on the command line.
type given struct{ messages []json.RawMessage }

func (g *given) next() (any, error) {
	if len(g.messages) == 0 {
		return nil, io.EOF
	}
	m := g.messages[0]
	g.messages = g.messages[1:]
	return m, nil
}

// reader reads JSON values from a file or stdin, with nothing or white space between them.
type reader struct {
	name    string
	decoder *json.Decoder
	read    *bytes.Buffer // what came in so far, for the place of a mistake; the last part of it
	count   int
	most    int // messages the method takes; 0: any number
}

func newReader(name string, r io.Reader, most int) *reader {
	read := new(bytes.Buffer)
	return &reader{name: name, decoder: json.NewDecoder(io.TeeReader(r, read)), read: read, most: most}
}

func (r *reader) next() (any, error) {
	var m json.RawMessage
	err := r.decoder.Decode(&m)
	switch {
	case errors.Is(err, io.EOF):
		if r.most > 0 && r.count == 0 {
			return nil, cli.WithHint(fmt.Errorf("%s is empty, and the method takes a message", r.name), "{} is an empty message")
		}
		return nil, io.EOF
	case err != nil:
		return nil, jsonError(r.name, r.read.String(), err)
	}
	if r.count++; r.most > 0 && r.count > r.most {
		return nil, fmt.Errorf("%s has more than one message, and the method takes one", r.name)
	}
	return m, nil
}

// jsonError says where in a text a mistake is, with the line and a caret.
func jsonError(name, text string, err error) error {
	var syntax *json.SyntaxError
	offset := len(text)
	switch {
	case errors.As(err, &syntax):
		offset = min(int(syntax.Offset)-1, len(text))
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the JSON ends too early")
	default:
		return fmt.Errorf("reading %s: %w", name, err)
	}
	offset = max(offset, 0)
	start := strings.LastIndexByte(text[:offset], '\n') + 1
	line, _, _ := strings.Cut(text[start:], "\n")
	column := offset - start
	if column > 60 { // the part around the mistake
		line, column = "..."+line[column-57:], 60
	}
	if len(line) > 100 {
		line = line[:100] + "..."
	}
	return fmt.Errorf("%s:%d:%d: %w\n%s\n%s^", name, strings.Count(text[:offset], "\n")+1, offset-start+1, err,
		strings.ReplaceAll(line, "\t", " "), strings.Repeat(" ", min(column, len(line))))
}

// read returns what to send in the form that the flags say.
func (c *config) read(ctx context.Context, env *cli.Env, dyn *dynamic.Client, m *dynamic.Method) (requests, error) {
	if c.input == "text" {
		return c.text(ctx, env, dyn, m)
	}
	from, err := c.requests(env, dyn, m)
	if err != nil || !c.lenient {
		return from, err
	}
	return &lenient{ctx, from, dyn, m}, nil
}

// text returns the messages of --data or stdin in text format.
func (c *config) text(ctx context.Context, env *cli.Env, dyn *dynamic.Client, m *dynamic.Method) (requests, error) {
	if len(c.fields) > 0 && c.fields[0] != "-" {
		return nil, cli.Usagef("--input text is for --data and stdin")
	}
	switch name, isFile := strings.CutPrefix(c.data, "@"); {
	case c.data == "" || c.data == "-" || c.data == "@" || c.data == "@-":
		text, err := io.ReadAll(env.Stdin)
		if err != nil {
			return nil, fmt.Errorf("reading stdin: %w", err)
		}
		return newTextReader(ctx, dyn, m, "stdin", text)
	case isFile:
		text, err := os.ReadFile(env.Path(name))
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		return newTextReader(ctx, dyn, m, name, text)
	}
	return newTextReader(ctx, dyn, m, "--data", []byte(c.data))
}

// requests returns what to send: from --data, fields or JSON on the command line, or stdin.
func (c *config) requests(env *cli.Env, dyn *dynamic.Client, m *dynamic.Method) (requests, error) {
	most := 1
	if m.Kind().ClientStreams() {
		most = 0
	}
	switch {
	case c.data == "-" || c.data == "@" || c.data == "@-" || len(c.fields) == 1 && c.fields[0] == "-":
		return newReader("stdin", env.Stdin, most), nil
	case strings.HasPrefix(c.data, "@"):
		name := strings.TrimPrefix(c.data, "@")
		text, err := os.ReadFile(env.Path(name))
		if err != nil {
			return nil, fmt.Errorf("--data: %w", err)
		}
		return collect(newReader(name, bytes.NewReader(text), most))
	case c.data != "":
		return collect(newReader("--data", strings.NewReader(c.data), most))
	case len(c.fields) == 0 && most == 0:
		return newReader("stdin", env.Stdin, most), nil
	case len(c.fields) == 0:
		return &given{[]json.RawMessage{emptyOf(m)}}, nil
	case isJSON(c.fields[0]):
		return collect(newReader("the request", strings.NewReader(strings.Join(c.fields, "\n")), most))
	}
	text, err := build(env, m.Descriptor.Input(), c.fields)
	if err != nil {
		return nil, err
	}
	return &given{[]json.RawMessage{text}}, nil
}

// isJSON reports whether an argument is JSON rather than a field.
func isJSON(arg string) bool {
	arg = strings.TrimSpace(arg)
	if arg == "" || !strings.ContainsRune(`{["-0123456789tfn`, rune(arg[0])) {
		return false
	}
	return strings.ContainsRune(`{["`, rune(arg[0])) || json.Valid([]byte(arg))
}

// collect reads all of a text at once, so that a mistake in it is found before the call.
func collect(r *reader) (requests, error) {
	g := new(given)
	for {
		m, err := r.next()
		if errors.Is(err, io.EOF) {
			return g, nil
		}
		if err != nil {
			return nil, err
		}
		g.messages = append(g.messages, m.(json.RawMessage))
	}
}

// emptyOf returns the JSON of an empty message: of a wrapper that is its zero value.
func emptyOf(m *dynamic.Method) json.RawMessage {
	d := m.Descriptor.Input()
	if f := wrapped(d); f != nil {
		return json.RawMessage(zeroOf(f))
	}
	switch d.FullName() {
	case "google.protobuf.Value":
		return json.RawMessage("null")
	case "google.protobuf.ListValue":
		return json.RawMessage("[]")
	case "google.protobuf.Timestamp":
		return json.RawMessage(`"1970-01-01T00:00:00Z"`)
	case "google.protobuf.Duration":
		return json.RawMessage(`"0s"`)
	case "google.protobuf.FieldMask":
		return json.RawMessage(`""`)
	}
	return json.RawMessage("{}")
}
