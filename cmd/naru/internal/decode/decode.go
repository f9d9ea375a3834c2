// Package decode is the verb "naru decode": explains bytes of protobuf, gRPC and HTTP/2.
package decode

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/frames"
	"github.com/naru-rpc/naru/cmd/naru/internal/decode/pcap"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
	"github.com/naru-rpc/naru/cmd/naru/internal/schema"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/internal/h2"
)

// config is the command line of the verb.
type config struct {
	endpoint endpoint.Flags
	schema   schema.Flags
	as       string
	format   string
	typ      string
	server   string
	compress string
	output   string
	raw      bool
	full     bool
	args     []string
}

const long = `Explain bytes: an encoded protobuf message, gRPC messages with their length prefixes, one direction of an
HTTP/2 connection, or a capture file of tcpdump or Wireshark (pcap, pcapng).

The bytes are a file, stdin, or hexadecimal on the command line. Hexadecimal (also as xxd, hexdump -C and
tcpdump -x print it) and base64 are recognized in files and on stdin, too. What the bytes are is found out;
--as decides it.

Each line has an offset, the bytes there, and what they mean. Without a schema the types of fields are guessed,
with a likelihood and other readings. With one, fields have their names: give --proto, --descriptor-set or
--server, and for a single message its --type. In HTTP/2 captures the type comes from the path of the call.
A capture may begin in the middle of a connection: header fields whose table entries are missing are marked.

Exit codes: 0 everything was read; 1 a part could not be read (what could is printed); 2 the command line is wrong.`

const example = `  naru decode 0a 03 31 30 32 12 04 6c 61 6d 70
  naru decode message.bin --type ecommerce.Order --server localhost:50051
  naru decode capture.pcapng --proto ./proto
  pbpaste | naru decode                              hexadecimal or base64 from the clipboard
  naru decode --raw message.bin                      as protoc --decode_raw prints it`

// kinds are what --as takes.
var kinds = []string{"auto", "message", "grpc", "http2", "pcap"}

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "decode [file | - | hexadecimal ...]",
		Short:   "Explain bytes of protobuf, gRPC or HTTP/2, and capture files",
		Long:    long,
		Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.args = args
			return run(cmd.Context(), env, &c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&c.as, "as", "auto", "take the bytes for a `kind`: message, grpc (messages behind length prefixes), http2 (one direction of a connection) or pcap")
	f.StringVar(&c.format, "format", "auto", "`form` of the input: hex, base64 or binary")
	f.StringVarP(&c.typ, "type", "t", "", "full `name` of the message's type; the part before the last dots may be left out")
	f.StringVar(&c.server, "server", "", "take the schema from this `host:port` by reflection")
	f.StringVar(&c.compress, "compress", "", "how compressed gRPC messages are compressed: gzip or zstd (default: found out)")
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the output: text or json")
	f.BoolVar(&c.raw, "raw", false, "print a message exactly as protoc --decode_raw does")
	f.BoolVar(&c.full, "full", false, "show every byte of long values")
	c.schema.Register(f)
	c.endpoint.Register(f)
	return cmd
}

func (c *config) validate() error {
	switch {
	case !slices.Contains(kinds, c.as):
		return cli.Usagef("--as %s: want auto, message, grpc, http2 or pcap", c.as)
	case !slices.Contains([]string{"auto", "hex", "base64", "binary"}, c.format):
		return cli.Usagef("--format %s: want auto, hex, base64 or binary", c.format)
	case c.output != "text" && c.output != "json":
		return cli.Usagef("--output %s: want text or json", c.output)
	case !slices.Contains([]string{"", "gzip", "zstd"}, c.compress):
		return cli.Usagef("--compress %s: want gzip or zstd", c.compress)
	case c.raw && (c.typ != "" || c.output == "json"):
		return cli.Usagef("--raw has a form of its own: leave out --type and --output json")
	case c.typ != "" && c.server == "" && !c.schema.Given():
		return cli.WithHint(cli.Usagef("--type needs a schema"), "give --proto, --descriptor-set or --server")
	case c.server != "" && c.schema.Given():
		return cli.Usagef("--server and schema files exclude each other")
	}
	return nil
}

func run(ctx context.Context, env *cli.Env, c *config) error {
	if err := c.validate(); err != nil {
		return err
	}
	input, err := c.read(env)
	if err != nil {
		return err
	}
	ctx, cancel := c.endpoint.Context(ctx)
	defer cancel()
	types, closer, err := c.types(ctx, env)
	if err != nil {
		return err
	}
	defer closer()
	x := &explainer{config: c, env: env, types: types}
	md, err := types.message(c.typ)
	if err != nil {
		return err
	}
	kind := c.as
	if kind == "auto" {
		kind = kindOf(input, md != nil || c.raw)
	}
	switch kind {
	case "pcap":
		return x.capture(input)
	case "http2":
		return x.direction(input)
	case "grpc":
		return x.messages(input, md)
	}
	return x.message(input, md)
}

// kindOf finds out what bytes are. typed says that the user thinks of a message.
func kindOf(b []byte, typed bool) string {
	switch {
	case pcap.Is(b):
		return "pcap"
	case len(b) >= len(h2.Preface) && string(b[:len(h2.Preface)]) == h2.Preface:
		return "http2"
	case isPrefixed(b):
		return "grpc"
	case !typed && frames.Is(b):
		return "http2"
	}
	return "message"
}

// types finds descriptors in the schema of the command line. Without one it finds nothing.
type types struct {
	ctx context.Context
	src dynamic.Source
}

// types opens the schema. The caller calls closer at the end.
func (c *config) types(ctx context.Context, env *cli.Env) (t *types, closer func(), err error) {
	closer = func() {}
	var cc naru.ClientConnInterface
	switch {
	case c.server != "":
		client, err := c.endpoint.Dial(ctx, env, c.server)
		if err != nil {
			return nil, nil, err
		}
		cc, closer = client, func() { client.Close() }
	case !c.schema.Given():
		return &types{ctx: ctx}, closer, nil
	}
	src, err := c.schema.Open(env, cc)
	if err != nil {
		closer()
		return nil, nil, err
	}
	return &types{ctx, src}, closer, nil
}

// method returns the descriptor of a method by its path; nil if it is not known.
func (t *types) method(path string) protoreflect.MethodDescriptor {
	service, name, ok := cutPath(path)
	if !ok || t.src == nil {
		return nil
	}
	d, err := t.src.Find(t.ctx, protoreflect.FullName(service+"."+name))
	if err != nil {
		return nil
	}
	m, _ := d.(protoreflect.MethodDescriptor)
	return m
}

// find returns a message's descriptor; nil if it is not known.
func (t *types) find(name protoreflect.FullName) protoreflect.MessageDescriptor {
	if t.src == nil || !name.IsValid() {
		return nil
	}
	d, err := t.src.Find(t.ctx, name)
	if err != nil {
		return nil
	}
	md, _ := d.(protoreflect.MessageDescriptor)
	return md
}
