package call

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	// google.rpc's details are decoded whether or not the server's schema has them.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/metadata"
)

// writer writes what comes back.
type writer struct {
	config *config
	env    *cli.Env
	dyn    *dynamic.Client
}

// oneSpace finds the name of a field in text format, behind which prototext writes one space or
// two, in turn between builds, on purpose.
var oneSpace = regexp.MustCompile(`(?m)^(\s*[\w.\[\]/]+):  `)

// message writes one message to stdout in the form that was asked for.
func (w *writer) message(ctx context.Context, m proto.Message) error {
	text, err := w.format(ctx, m)
	if err != nil {
		return err
	}
	_, err = w.env.Stdout.Write(text)
	return err
}

func (w *writer) format(ctx context.Context, m proto.Message) ([]byte, error) {
	switch w.config.output {
	case "binary":
		raw, err := proto.Marshal(m)
		if err != nil {
			return nil, err
		}
		return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(raw))), raw...), nil
	case "text":
		raw, err := prototext.MarshalOptions{Multiline: true, Resolver: w.dyn.Types(ctx)}.Marshal(m)
		return append(oneSpace.ReplaceAll(raw, []byte("$1: ")), '\n'), err
	}
	raw, err := protojson.MarshalOptions{Resolver: w.dyn.Types(ctx), EmitDefaultValues: w.config.defaults, UseProtoNames: w.config.names}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("the answer cannot be written as JSON (--output text can): %w", err)
	}
	return w.json(raw)
}

// json sets white space, which protojson varies on purpose, the same each time.
func (w *writer) json(raw []byte) ([]byte, error) {
	var b bytes.Buffer
	var err error
	if w.config.output == "json" {
		err = json.Compact(&b, raw)
	} else {
		err = json.Indent(&b, raw, "", "  ")
	}
	b.WriteByte('\n')
	return b.Bytes(), err
}

// detail returns a detail of a status as text for stderr: JSON if its type is known.
func (w *writer) detail(d *anypb.Any) string {
	raw, err := protojson.MarshalOptions{Resolver: w.dyn.Types(context.Background())}.Marshal(d)
	if err != nil {
		raw, err = protojson.Marshal(d) // the types that are linked in
	}
	if err != nil {
		return fmt.Sprintf("detail of the unknown type %q, %d bytes: %s", clip(d.GetTypeUrl()), len(d.GetValue()), clip(base64.StdEncoding.EncodeToString(d.GetValue())))
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return "detail: " + b.String()
}

// metadata writes a header or trailer to stderr, by name.
func (w *writer) metadata(what string, md metadata.MD) {
	var names []string
	for name := range md {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range md[name] {
			if strings.HasSuffix(name, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			fmt.Fprintf(w.env.Stderr, "# %s %s: %s\n", what, name, value)
		}
	}
}

func clip(s string) string {
	const longest = 200
	if len(s) > longest {
		return s[:longest] + "..."
	}
	return s
}
