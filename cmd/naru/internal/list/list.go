// Package list is the verb "naru list": the services of a server or a schema, and their methods.
package list

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
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
	setOut   string
	args     []string
}

const long = `List the services of a server, or the methods of one of its services.

The server is asked by reflection (v1 or v1alpha). With --proto or --descriptor-set the schema comes from
files, and host:port may be left out.`

const example = `  naru list localhost:50051                 the services
  naru list localhost:50051 ProductInfo     the methods of one, with their messages
  naru list --proto ./proto                 what a folder of .proto files declares`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "list [host:port] [service]",
		Short:   "List a server's services, or a service's methods",
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
	f.StringVarP(&c.output, "output", "o", "text", "`form` of the output: text or json")
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
	if len(args) > 1 {
		return cli.Usagef("one service at most, got %q", args[1])
	}
	services, err := src.Services(ctx)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		if err := c.writeSet(ctx, env, src, services, services); err != nil {
			return err
		}
		return c.printServices(env, services)
	}
	svc, err := findService(ctx, src, services, args[0])
	if err != nil {
		return err
	}
	if err := c.writeSet(ctx, env, src, services, args); err != nil {
		return err
	}
	return c.printMethods(env, svc)
}

// writeSet writes the file of --descriptor-set-out, if it was asked for.
func (c *config) writeSet(ctx context.Context, env *cli.Env, src dynamic.Source, services, names []string) error {
	if c.setOut == "" {
		return nil
	}
	var symbols []protoreflect.Descriptor
	for _, name := range names {
		svc, err := findService(ctx, src, services, name)
		if err != nil {
			return err
		}
		symbols = append(symbols, svc)
	}
	return schema.WriteSet(env, c.setOut, symbols...)
}

func (c *config) printServices(env *cli.Env, services []string) error {
	if c.output == "json" {
		return json.NewEncoder(env.Stdout).Encode(map[string]any{"services": services})
	}
	for _, s := range services {
		if _, err := fmt.Fprintln(env.Stdout, s); err != nil {
			return err
		}
	}
	return nil
}

// findService returns the service with a full name, or the one whose name ends in it.
func findService(ctx context.Context, src dynamic.Source, services []string, name string) (protoreflect.ServiceDescriptor, error) {
	var fits []string
	for _, s := range services {
		if s == name {
			fits = []string{s}
			break
		}
		if strings.HasSuffix(s, "."+name) {
			fits = append(fits, s)
		}
	}
	switch {
	case len(fits) > 1:
		return nil, cli.Usagef("%q may be %s", name, strings.Join(fits, " or "))
	case len(fits) == 0:
		fits = []string{name} // the server may know services it does not list
	}
	if !protoreflect.FullName(fits[0]).IsValid() {
		return nil, cli.Usagef("%q is not the name of a service", name)
	}
	d, err := src.Find(ctx, protoreflect.FullName(fits[0]))
	if errors.Is(err, protoregistry.NotFound) {
		return nil, cli.WithHint(fmt.Errorf("there is no service %q", name), "there are: %s", strings.Join(services, ", "))
	}
	if err != nil {
		return nil, err
	}
	svc, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, cli.WithHint(fmt.Errorf("%s is not a service", d.FullName()), "\"naru describe\" shows other things")
	}
	return svc, nil
}

// method is a method as --output json shows it.
type method struct {
	Name            string `json:"name"`
	Input           string `json:"input"`
	Output          string `json:"output"`
	ClientStreaming bool   `json:"client_streaming"`
	ServerStreaming bool   `json:"server_streaming"`
}

func (c *config) printMethods(env *cli.Env, svc protoreflect.ServiceDescriptor) error {
	methods := make([]method, svc.Methods().Len())
	for i := range methods {
		m := svc.Methods().Get(i)
		methods[i] = method{string(m.Name()), string(m.Input().FullName()), string(m.Output().FullName()), m.IsStreamingClient(), m.IsStreamingServer()}
	}
	slices.SortFunc(methods, func(a, b method) int { return strings.Compare(a.Name, b.Name) })
	if c.output == "json" {
		return json.NewEncoder(env.Stdout).Encode(map[string]any{"service": svc.FullName(), "methods": methods})
	}
	width := 0
	for _, m := range methods {
		width = max(width, len(svc.FullName())+1+len(m.Name))
	}
	for _, m := range methods {
		_, err := fmt.Fprintf(env.Stdout, "%-*s  %s -> %s\n", width, string(svc.FullName())+"/"+m.Name,
			streamed(m.ClientStreaming, m.Input), streamed(m.ServerStreaming, m.Output))
		if err != nil {
			return err
		}
	}
	return nil
}

func streamed(stream bool, name string) string {
	if stream {
		return "stream " + name
	}
	return name
}
