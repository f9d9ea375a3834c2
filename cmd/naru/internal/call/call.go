// Package call is the verb "naru call": one call of a method of any kind.
package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/cmd/naru/internal/cli"
	"github.com/naru-rpc/naru/cmd/naru/internal/endpoint"
	"github.com/naru-rpc/naru/cmd/naru/internal/schema"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// config is the command line of the verb.
type config struct {
	endpoint endpoint.Flags
	schema   schema.Flags
	data     string
	input    string
	lenient  bool
	names    bool
	headers  []string // of the call alone
	output   string
	compress string
	wait     bool
	defaults bool
	target   string
	method   string
	fields   []string
}

const long = `Call a method of a server: unary or streaming.

The request is given as fields, as JSON, or on stdin:

  name=value       a string, enum name, or number; it is converted to the field's type
  name:=json       a JSON value: numbers, true, lists, objects
  name[]=value     one more element of a list; name[]:=json for elements in JSON
  name=@file       the text of a file; for a bytes field its bytes
  a.b=value        a field inside a message
  '{"name": ...}'  the whole message as JSON; several for a client stream
  -                read JSON messages from stdin, one after another

A method that takes a stream reads messages from stdin unless some are given. What a server answers is
written as JSON, a message at a time as it comes.

Exit codes: 0 the call ended with OK; 64 plus the status code if it ended with another (69: NOT_FOUND,
78: UNAVAILABLE); 1 the request could not be made; 2 a mistake in the command line; 130 interrupted.`

const example = `  naru call localhost:50051 ecommerce.ProductInfo/getProduct value=p1
  naru call localhost:50051 addProduct '{"name": "lamp", "price": 12.5}'
  naru call localhost:50051 addOrder id=7 items[]=lamp items[]=rug price:=30 destination=Seoul
  printf '"1" "2" "3"' | naru call localhost:50051 processOrders -`

// New returns the verb.
func New(env *cli.Env) *cobra.Command {
	var c config
	cmd := &cobra.Command{
		Use:     "call host:port service/method [field=value ... | JSON ... | -]",
		Short:   "Call a method of a server",
		Long:    long,
		Example: example,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return cli.WithHint(cli.Usagef("want a server and a method: naru call host:port service/method"), "\"naru list host:port\" shows the services")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.target, c.method, c.fields = args[0], args[1], args[2:]
			return run(cmd.Context(), env, &c)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&c.data, "data", "d", "", "the request as `JSON`; @file reads a file, @- or - stdin")
	f.StringVar(&c.input, "input", "json", "`form` of --data and stdin: json, or text (protobuf's text format; the character 0x1E stands between messages)")
	f.BoolVar(&c.lenient, "allow-unknown-fields", false, "ignore fields of the request that the schema does not have")
	f.StringVarP(&c.output, "output", "o", "pretty", "`form` of answers: pretty (indented JSON), json (a line each), text (protobuf's text format) or binary (each behind its length, as in a gRPC body)")
	f.BoolVar(&c.defaults, "defaults", false, "write fields that have their default value, too")
	f.BoolVar(&c.names, "proto-names", false, "write fields by their names in the .proto file: ordersList as orders_list")
	f.StringArrayVar(&c.headers, "rpc-header", nil, "send metadata with the call alone, and not to the reflection service, as `\"name: value\"`; repeat for more")
	f.StringVar(&c.compress, "compress", "", "compress requests by `name`: gzip or zstd")
	f.BoolVar(&c.wait, "wait", false, "wait for the server to be there instead of failing at once; best with --timeout")
	c.schema.Register(f)
	c.schema.RegisterServer(f)
	c.endpoint.Register(f)
	cmd.ValidArgsFunction = schema.Complete(env, &c.endpoint, &c.schema, schema.Methods)
	return cmd
}

func (c *config) validate() error {
	if !slices.Contains([]string{"pretty", "json", "text", "binary"}, c.output) {
		return cli.Usagef("--output %s: want pretty, json, text or binary", c.output)
	}
	if c.input != "json" && c.input != "text" {
		return cli.Usagef("--input %s: want json or text", c.input)
	}
	if !slices.Contains([]string{"", "identity", "gzip", "zstd"}, c.compress) {
		return cli.Usagef("--compress %s: want gzip or zstd", c.compress)
	}
	if c.data != "" && len(c.fields) > 0 {
		return cli.Usagef("--data and %q: give the request once", c.fields[0])
	}
	return nil
}

func run(ctx context.Context, env *cli.Env, c *config) error {
	if err := c.validate(); err != nil {
		return err
	}
	client, err := c.endpoint.Dial(ctx, env, c.target)
	if err != nil {
		return err
	}
	defer client.Close()
	source, err := c.schema.Open(env, client)
	if err != nil {
		return err
	}
	ctx, cancel := c.endpoint.Context(ctx)
	defer cancel()
	dyn := dynamic.NewClient(client, source)
	method, err := dyn.Method(ctx, c.method)
	if err != nil {
		return schemaError(err)
	}
	requests, err := c.read(ctx, env, dyn, method)
	if err != nil {
		return err
	}
	return c.call(ctx, env, dyn, method, requests)
}

// schemaError turns the statuses of a look-up into the command's errors.
func schemaError(err error) error {
	switch status.Code(err) {
	case codes.NotFound, codes.InvalidArgument:
		return cli.WithHint(errors.New(message(err)), "\"naru list\" shows what there is")
	case codes.Unimplemented:
		return cli.WithHint(err, "give the schema with --proto or --descriptor-set")
	}
	return err
}

// message returns the text of a status that package dynamic made, without the package's name.
func message(err error) string {
	return strings.TrimPrefix(status.Convert(err).Message(), "dynamic: ")
}

func (c *config) options(header, trailer *metadata.MD) []naru.CallOption {
	opts := []naru.CallOption{naru.CaptureHeader(header), naru.CaptureTrailer(trailer)}
	if c.compress != "" {
		opts = append(opts, naru.WithCompression(c.compress))
	}
	if c.wait {
		opts = append(opts, naru.WaitForReady(true))
	}
	return opts
}

// call makes the call as a stream, whatever its kind: one goroutine sends, this one prints what
// comes.
func (c *config) call(ctx context.Context, env *cli.Env, dyn *dynamic.Client, method *dynamic.Method, requests requests) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var header, trailer metadata.MD
	opts := c.options(&header, &trailer)
	if len(c.headers) > 0 {
		kv, err := endpoint.Metadata(env, "--rpc-header", c.headers)
		if err != nil {
			return err
		}
		opts = append(opts, naru.WithMetadata(kv...))
	}
	stream, err := dyn.Stream(ctx, method.Path(), opts...)
	if err != nil {
		return err
	}
	defer stream.Close()
	go send(stream, requests, cancel)
	out := &writer{config: c, env: env, dyn: dyn}
	received, recvErr := out.all(ctx, stream)
	if c.endpoint.Verbose {
		out.metadata("header", mustHeader(stream))
		out.metadata("trailer", stream.Trailer())
	}
	if received != nil {
		return received
	}
	// A request that could not be made canceled the call; what was wrong with it says more.
	var bad *requestError // and not what else may be a cause: an interrupt has one
	if errors.As(context.Cause(ctx), &bad) {
		return bad.error
	}
	if recvErr != nil {
		return callError(recvErr, out)
	}
	return nil
}

func mustHeader(s *dynamic.Stream) metadata.MD {
	md, err := s.Header()
	if err != nil {
		return nil
	}
	return md
}

// requestError is why a request could not be made.
type requestError struct{ error }

// send sends every request. A request that cannot be made cancels the call, with what was wrong as
// the cause.
func send(stream *dynamic.Stream, requests requests, cancel context.CancelCauseFunc) {
	for {
		req, err := requests.next()
		if errors.Is(err, io.EOF) {
			_ = stream.CloseSend() // Recv reports why a call has ended
			return
		}
		if err != nil {
			cancel(&requestError{err})
			return
		}
		if err := stream.Send(req); errors.Is(err, io.EOF) {
			return // as above
		} else if err != nil {
			cancel(&requestError{errors.New(message(err))})
			return
		}
	}
}

// all writes each message that comes. writeErr is stdout's.
func (w *writer) all(ctx context.Context, stream *dynamic.Stream) (writeErr, callErr error) {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if err := w.message(ctx, m); err != nil {
			return err, nil
		}
	}
}

// callError adds the details of a call's status to its text.
func callError(err error, w *writer) error {
	for _, d := range status.Convert(err).RawDetails() {
		err = fmt.Errorf("%w\n%s", err, w.detail(d))
	}
	return err
}
