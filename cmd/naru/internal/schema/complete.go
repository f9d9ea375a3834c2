package schema

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
	"github.com/naru-rpc/naru/dynamic"
)

// completionTime bounds what a shell waits for: longer than a server within reach takes.
const completionTime = 2 * time.Second

// Names is which names a verb's second argument takes.
type Names int

// The kinds of names.
const (
	Services Names = iota
	Methods
)

// Complete returns what a shell offers for the arguments of a verb that takes host:port and a name,
// and for Methods further the fields of the request. The server or the schema files are asked;
// whatever fails offers nothing.
func Complete(env *cli.Env, e *endpoint.Flags, f *Flags, names Names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const none = cobra.ShellCompDirectiveNoFileComp
		if len(args) == 0 {
			return nil, none
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, completionTime)
		defer cancel()
		quiet := *e
		quiet.Verbose, quiet.Trace, quiet.ConnectTimeout = false, false, completionTime
		src, rest, closer, err := Connect(ctx, env, &quiet, f, args)
		if err != nil {
			return nil, none
		}
		defer closer()
		switch {
		case len(rest) == 0:
			return candidates(ctx, src, names, begun), none
		case names == Methods:
			return fields(ctx, src, rest[0], begun), none | cobra.ShellCompDirectiveNoSpace
		}
		return nil, none
	}
}

// candidates returns the names that begin as what was typed, methods also by their last part.
func candidates(ctx context.Context, src dynamic.Source, names Names, begun string) []cobra.Completion {
	services, err := src.Services(ctx)
	if err != nil {
		return nil
	}
	var out []cobra.Completion
	for _, s := range services {
		if names == Services {
			if strings.HasPrefix(s, begun) {
				out = append(out, s)
			}
			continue
		}
		d, err := src.Find(ctx, protoreflect.FullName(s))
		svc, ok := d.(protoreflect.ServiceDescriptor)
		if err != nil || !ok {
			continue
		}
		for i := range svc.Methods().Len() {
			m := svc.Methods().Get(i)
			what := string(m.Input().FullName()) + " -> " + string(m.Output().FullName())
			switch full := s + "/" + string(m.Name()); {
			case strings.HasPrefix(full, begun):
				out = append(out, cobra.CompletionWithDesc(full, what))
			case strings.HasPrefix(string(m.Name()), begun):
				out = append(out, cobra.CompletionWithDesc(string(m.Name()), what))
			}
		}
	}
	return out
}

// fields returns the fields of a method's request as the verb call takes them.
func fields(ctx context.Context, src dynamic.Source, method, begun string) []cobra.Completion {
	m, err := dynamic.NewClient(nil, src).Method(ctx, method)
	if err != nil {
		return nil
	}
	var out []cobra.Completion
	list := m.Descriptor.Input().Fields()
	for i := range list.Len() {
		fd := list.Get(i)
		form := string(fd.Name()) + "="
		switch {
		case fd.IsMap() || fd.Message() != nil && !fd.IsList():
			form = string(fd.Name()) + ":="
		case fd.IsList():
			form = string(fd.Name()) + "[]="
		}
		if strings.HasPrefix(form, begun) {
			out = append(out, cobra.CompletionWithDesc(form, fd.Kind().String()))
		}
	}
	return out
}
