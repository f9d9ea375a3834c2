package decode

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/rawproto"
	"github.com/naru-rpc/naru/encoding"
)

// explainer writes what bytes mean.
type explainer struct {
	config *config
	env    *cli.Env
	types  *types
}

// message returns the descriptor of --type, nil if that is empty.
func (t *types) message(name string) (protoreflect.MessageDescriptor, error) {
	if name == "" {
		return nil, nil
	}
	if !protoreflect.FullName(name).IsValid() {
		return nil, cli.Usagef("--type %q is not the name of a message", name)
	}
	d, err := t.src.Find(t.ctx, protoreflect.FullName(name))
	if errors.Is(err, protoregistry.NotFound) {
		return nil, cli.WithHint(fmt.Errorf("the schema has no message %q", name), "write the full name, with the package; \"naru describe\" shows a method's messages")
	}
	if err != nil {
		return nil, err
	}
	md, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, cli.Usagef("--type %s is not a message", name)
	}
	return md, nil
}

// body is an explained message as --output json has it.
type body struct {
	Type    string          `json:"type,omitempty"`
	Fields  []rawproto.Node `json:"fields"`
	Problem string          `json:"problem,omitempty"`
}

func (x *explainer) body(b []byte, base int, md protoreflect.MessageDescriptor) body {
	nodes, err := rawproto.Explain(b, base, md, x.types.find)
	out := body{Fields: nodes}
	if nodes == nil {
		out.Fields = []rawproto.Node{}
	}
	if md != nil {
		out.Type = string(md.FullName())
	}
	if err != nil {
		out.Problem = err.Error()
	}
	return out
}

// incomplete is the end of a run that could not read everything.
func incomplete(problem string) error {
	if problem == "" {
		return nil
	}
	return errors.New(problem)
}

// message explains a single message.
func (x *explainer) message(b []byte, md protoreflect.MessageDescriptor) error {
	if x.config.raw {
		fields, err := rawproto.Parse(b)
		if err != nil {
			return fmt.Errorf("not a protobuf message: %w", err)
		}
		return x.write(rawproto.Raw(fields))
	}
	m := x.body(b, 0, md)
	if x.config.output == "json" {
		if err := x.json(m); err != nil {
			return err
		}
		return incomplete(prefixed("the message cannot be read on ", m.Problem))
	}
	if err := x.write(rawproto.Format(m.Fields, "", x.config.full)); err != nil {
		return err
	}
	return incomplete(prefixed("the message cannot be read on ", m.Problem))
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// prefixedMessage is a gRPC message as --output json has it.
type prefixedMessage struct {
	Offset     int    `json:"offset"`
	Size       int    `json:"size"`
	Compressed bool   `json:"compressed"`
	Expanded   int    `json:"expanded,omitempty"` // bytes after decompression
	Problem    string `json:"problem,omitempty"`
	Message    *body  `json:"message,omitempty"`
}

// messages explains messages behind length prefixes.
func (x *explainer) messages(b []byte, md protoreflect.MessageDescriptor) error {
	var out strings.Builder
	var list []prefixedMessage
	problem := ""
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < prefixLen {
			problem = fmt.Sprintf("at byte %d: %d bytes of a length prefix", at, len(rest))
			break
		}
		size := uint64(binary.BigEndian.Uint32(rest[1:]))
		have := min(size, uint64(len(rest)-prefixLen))
		m := x.prefixed(at, rest[0], int(size), rest[prefixLen:prefixLen+have], "", md)
		if have < size {
			m.Problem = fmt.Sprintf("cut off: %d of %d bytes are there", have, size)
		}
		if m.Problem != "" {
			problem = fmt.Sprintf("the message at byte %d: %s", at, m.Problem)
		}
		list = append(list, m)
		x.writePrefixed(&out, rest[:prefixLen], &m, "")
		at += prefixLen + int(have)
	}
	if x.config.output == "json" {
		if err := x.json(map[string]any{"messages": list}); err != nil {
			return err
		}
	} else if err := x.write(out.String()); err != nil {
		return err
	}
	return incomplete(problem)
}

// prefixed explains one message whose prefix is at an offset. compression is the stream's, "" if it
// is not known.
func (x *explainer) prefixed(at int, flags byte, size int, data []byte, compression string, md protoreflect.MessageDescriptor) prefixedMessage {
	m := prefixedMessage{Offset: at, Size: size, Compressed: flags&1 != 0}
	base := at + prefixLen
	if m.Compressed {
		expanded, err := x.expand(data, compression)
		if err != nil {
			m.Problem = err.Error()
			return m
		}
		data, base, m.Expanded = expanded, 0, len(expanded)
	}
	inner := x.body(data, base, md)
	if inner.Problem != "" {
		m.Problem = "not a complete protobuf message: " + inner.Problem
	}
	m.Message = &inner
	return m
}

// maxExpanded bounds a decompressed message.
const maxExpanded = 64 << 20

// expand decompresses a message, by its name or by how it begins.
func (x *explainer) expand(data []byte, name string) ([]byte, error) {
	if x.config.compress != "" {
		name = x.config.compress
	}
	var by encoding.Compressor
	switch {
	case name == "gzip" || name == "" && len(data) > 2 && data[0] == 0x1f && data[1] == 0x8b:
		by = encoding.Gzip()
	case name == "zstd" || name == "" && len(data) > 4 && binary.LittleEndian.Uint32(data) == 0xfd2fb528:
		by = encoding.Zstd()
	default:
		return nil, fmt.Errorf("compressed in a way that is not known (%q)", name)
	}
	out, err := by.Decompress(nil, data, maxExpanded)
	if err != nil {
		return nil, fmt.Errorf("not %s: %w", by.Name(), err)
	}
	return out, nil
}

// writePrefixed writes a message with its prefix as text.
func (x *explainer) writePrefixed(out *strings.Builder, prefix []byte, m *prefixedMessage, indent string) {
	what := fmt.Sprintf("message of %d bytes", m.Size)
	if m.Compressed {
		what = fmt.Sprintf("compressed message of %d bytes, %d expanded", m.Size, m.Expanded)
	}
	if m.Message != nil && m.Message.Type != "" {
		what += ", " + m.Message.Type
	}
	if m.Problem != "" {
		what += "  ! " + m.Problem
	}
	rawproto.Line(out, m.Offset, prefix, "%s%s", indent, what)
	if m.Message != nil {
		out.WriteString(rawproto.Format(m.Message.Fields, indent+"  ", x.config.full))
	}
}

func (x *explainer) write(text string) error {
	_, err := x.env.Stdout.Write([]byte(text))
	return err
}

func (x *explainer) json(v any) error { return json.NewEncoder(x.env.Stdout).Encode(v) }

// shownValue is a header field's value for the terminal: base64 of binary ones stays as it was
// sent.
func shownValue(name, value string) string {
	if strings.HasSuffix(name, "-bin") {
		if raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "=")); err == nil {
			return fmt.Sprintf("%s (%d bytes)", cli.Printable(value), len(raw))
		}
	}
	return cli.Printable(value)
}
