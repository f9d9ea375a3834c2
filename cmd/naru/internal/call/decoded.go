package call

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/naru-rpc/naru/dynamic"
)

// separator stands between messages in text format, as grpcurl has it.
const separator = 0x1e

// textReader reads messages in protobuf's text format from a text. At the end of a stream there is
// no separator.
type textReader struct {
	ctx    context.Context
	dyn    *dynamic.Client
	method *dynamic.Method
	name   string
	parts  [][]byte
}

func newTextReader(ctx context.Context, dyn *dynamic.Client, method *dynamic.Method, name string, text []byte) (*textReader, error) {
	t := &textReader{ctx, dyn, method, name, bytes.Split(text, []byte{separator})}
	if !method.Kind().ClientStreams() && len(t.parts) > 1 {
		return nil, fmt.Errorf("%s has more than one message, and the method takes one", name)
	}
	return t, nil
}

func (t *textReader) next() (any, error) {
	if len(t.parts) == 0 {
		return nil, io.EOF
	}
	part := t.parts[0]
	t.parts = t.parts[1:]
	m := dynamicpb.NewMessage(t.method.Descriptor.Input())
	if err := (prototext.UnmarshalOptions{Resolver: t.dyn.Types(t.ctx)}).Unmarshal(part, m); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return m, nil
}

// lenient drops fields of JSON that the schema does not have.
type lenient struct {
	ctx    context.Context
	from   requests
	dyn    *dynamic.Client
	method *dynamic.Method
}

func (l *lenient) next() (any, error) {
	req, err := l.from.next()
	if err != nil {
		return nil, err
	}
	raw, ok := req.(json.RawMessage)
	if !ok {
		return req, nil
	}
	m := dynamicpb.NewMessage(l.method.Descriptor.Input())
	options := protojson.UnmarshalOptions{DiscardUnknown: true, Resolver: l.dyn.Types(l.ctx)}
	if err := options.Unmarshal(raw, m); err != nil {
		return nil, errors.New(message(err))
	}
	return m, nil
}
