// Package describe is the verb "naru describe": a symbol of a schema as .proto source, as JSON, or
// as a message to fill in.
package describe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
	"github.com/naru-rpc/naru/cmd/naru/internal/schema"
	"github.com/naru-rpc/naru/dynamic"
)

// config is the command line of the verb.
type config struct {
	endpoint endpoint.Flags
	schema   schema.Flags
	output   string
	template bool
	setOut   string
	args     []string
}

const long = `Describe a service, method, message, enum or field as .proto source. Without a symbol, every service.

A name may leave out leading parts while one symbol fits. The server is asked by reflection; with --proto or
--descriptor-set the schema comes from files, and host:port may be left out.`

const example = `  naru describe localhost:50051 ecommerce.Order
  naru describe localhost:50051 ProductInfo/addProduct
  naru describe localhost:50051 ecommerce.Order --template    JSON to fill in`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "describe [host:port] [symbol]",
		Short:   "Show a service, method or message of a server",
		Long:    long,
		Example: example,
		Args:    cli.MaxArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.args = args
			return run(cmd.Context(), env, &c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVar(&c.template, "template", false, "print JSON to fill in, of a message or a method's request")
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the output: text (.proto source) or json (the descriptor)")
	f.StringVar(&c.setOut, "descriptor-set-out", "", "also write what was asked for, with all imports, to a FileDescriptorSet `file`")
	c.schema.Register(f)
	c.schema.RegisterServer(f)
	c.endpoint.Register(f)
	cmd.ValidArgsFunction = schema.Complete(env, &c.endpoint, &c.schema, schema.Services)
	return cmd
}

func run(ctx context.Context, env *cli.Env, c *config) error {
	if c.output != "text" && c.output != "json" {
		return cli.Usagef("--output %s: want text or json", c.output)
	}
	ctx, cancel := c.endpoint.Context(ctx)
	defer cancel()
	src, args, closer, err := schema.Connect(ctx, env, &c.endpoint, &c.schema, c.args)
	if err != nil {
		return err
	}
	defer closer()
	symbols := args
	if len(symbols) == 0 {
		if symbols, err = src.Services(ctx); err != nil {
			return err
		}
	}
	if len(args) > 1 {
		return cli.Usagef("one symbol at most, got %q", args[1])
	}
	var described []protoreflect.Descriptor
	for i, name := range symbols {
		d, err := find(ctx, src, name)
		if err != nil {
			return err
		}
		if i > 0 && c.output == "text" {
			fmt.Fprintln(env.Stdout)
		}
		if err := c.print(env, d); err != nil {
			return err
		}
		described = append(described, d)
	}
	if c.setOut != "" {
		return schema.WriteSet(env, c.setOut, described...)
	}
	return nil
}

func (c *config) print(env *cli.Env, d protoreflect.Descriptor) error {
	if c.template {
		m, ok := d.(protoreflect.MessageDescriptor)
		if method, isMethod := d.(protoreflect.MethodDescriptor); isMethod {
			m, ok = method.Input(), true
		}
		if !ok {
			return cli.Usagef("--template is for messages and methods, %s is neither", d.FullName())
		}
		_, err := fmt.Fprintln(env.Stdout, Template(m))
		return err
	}
	if c.output == "json" {
		raw, err := protojson.Marshal(descriptorOf(d))
		if err != nil {
			return err
		}
		var b bytes.Buffer // protojson varies its white space on purpose
		if err := json.Indent(&b, raw, "", "  "); err != nil {
			return err
		}
		b.WriteByte('\n')
		_, err = b.WriteTo(env.Stdout)
		return err
	}
	p := &printer{}
	p.symbol(d)
	_, err := fmt.Fprint(env.Stdout, p.String())
	return err
}

// find returns a symbol by its full name, a method also as service/method, and methods and services
// also by shortened names.
func find(ctx context.Context, src dynamic.Source, name string) (protoreflect.Descriptor, error) {
	full := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", "."))
	if !full.IsValid() {
		return nil, cli.Usagef("%q is not a name of protobuf", name)
	}
	d, err := src.Find(ctx, full)
	if err == nil {
		return d, nil
	}
	if !errors.Is(err, protoregistry.NotFound) {
		return nil, err
	}
	services, err := src.Services(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		if strings.HasSuffix(s, "."+string(full)) {
			if d, err := src.Find(ctx, protoreflect.FullName(s)); err == nil {
				return d, nil
			}
		}
	}
	m, merr := dynamic.NewClient(nil, src).Method(ctx, name)
	if merr == nil {
		return m.Descriptor, nil
	}
	for _, s := range services { // messages beside a service, by their last name
		if d, err := src.Find(ctx, protoreflect.FullName(s).Parent().Append(protoreflect.Name(full.Name()))); err == nil && full.Parent() == "" {
			return d, nil
		}
	}
	return nil, cli.WithHint(fmt.Errorf("the schema has no symbol %q", name), "\"naru list\" shows the services; messages want their package: package.Message")
}

// descriptorOf returns the descriptor as the message that protobuf has for its kind.
func descriptorOf(d protoreflect.Descriptor) proto.Message {
	switch d := d.(type) {
	case protoreflect.FileDescriptor:
		return protodesc.ToFileDescriptorProto(d)
	case protoreflect.MessageDescriptor:
		return protodesc.ToDescriptorProto(d)
	case protoreflect.EnumDescriptor:
		return protodesc.ToEnumDescriptorProto(d)
	case protoreflect.EnumValueDescriptor:
		return protodesc.ToEnumValueDescriptorProto(d)
	case protoreflect.FieldDescriptor:
		return protodesc.ToFieldDescriptorProto(d)
	case protoreflect.OneofDescriptor:
		return protodesc.ToOneofDescriptorProto(d)
	case protoreflect.ServiceDescriptor:
		return protodesc.ToServiceDescriptorProto(d)
	case protoreflect.MethodDescriptor:
		return protodesc.ToMethodDescriptorProto(d)
	}
	panic(fmt.Sprintf("BUG: a descriptor of kind %T", d))
}
