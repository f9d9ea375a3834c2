package dynamic

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// message makes a message of type d from what a caller gave.
func (c *Client) message(ctx context.Context, d protoreflect.MessageDescriptor, request any) (proto.Message, error) {
	var text []byte
	switch r := request.(type) {
	case nil:
		return dynamicpb.NewMessage(d), nil
	case proto.Message:
		if got := r.ProtoReflect().Descriptor().FullName(); got != d.FullName() {
			return nil, status.Errorf(codes.InvalidArgument, "dynamic: the method takes %s, got a %s", d.FullName(), got)
		}
		return r, nil
	case []byte:
		text = r
	case json.RawMessage:
		text = r
	case string:
		text = []byte(r)
	case map[string]any:
		var err error
		if text, err = json.Marshal(r); err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "dynamic: the request is no JSON: %v", err)
		}
	default:
		return nil, status.Errorf(codes.InvalidArgument,
			"dynamic: a request is JSON, a map[string]any, a proto.Message or nil, got %T", request)
	}
	m := dynamicpb.NewMessage(d)
	if err := (protojson.UnmarshalOptions{Resolver: c.Types(ctx)}).Unmarshal(text, m); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "dynamic: the request is no %s: %v", d.FullName(), cleaned(err))
	}
	return m, nil
}

// JSON returns m as JSON, by the rules of protojson. Types inside google.protobuf.Any are looked up
// in the schema, which may be a call to the server.
func (c *Client) JSON(ctx context.Context, m proto.Message) ([]byte, error) {
	// Marshal varies its spaces on purpose; what is written is to be the same each time.
	raw, err := protojson.MarshalOptions{Resolver: c.Types(ctx)}.Marshal(m)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "dynamic: writing a %s as JSON: %v", m.ProtoReflect().Descriptor().FullName(), cleaned(err))
	}
	return compactJSON(raw)
}

// Map returns m as a map, as encoding/json would read its JSON; 64-bit integers are strings there.
func (c *Client) Map(ctx context.Context, m proto.Message) (map[string]any, error) {
	raw, err := c.JSON(ctx, m)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, status.Errorf(codes.Internal, "dynamic: the JSON of a %s is no object: %s",
			m.ProtoReflect().Descriptor().FullName(), clip(string(raw)))
	}
	return out, nil
}

// Resolver finds types by name, as protojson, prototext and proto ask for them.
type Resolver interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

// Types returns a resolver that looks types up in the client's schema. Look-ups that need the
// server end with ctx.
func (c *Client) Types(ctx context.Context) Resolver { return types{ctx, c.schema} }

type types struct {
	ctx    context.Context
	schema Source
}

func (t types) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	d, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if m, ok := d.(protoreflect.MessageDescriptor); ok {
		return dynamicpb.NewMessageType(m), nil
	}
	return nil, protoregistry.NotFound
}

func (t types) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return t.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}

func (t types) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	d, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if x, ok := d.(protoreflect.ExtensionDescriptor); ok && x.IsExtension() {
		return dynamicpb.NewExtensionType(x), nil
	}
	return nil, protoregistry.NotFound
}

func (t types) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	x, err := t.schema.FindExtension(t.ctx, message, number)
	if err != nil {
		return nil, plainNotFound(err)
	}
	return dynamicpb.NewExtensionType(x), nil
}

func (t types) find(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if !name.IsValid() {
		return nil, protoregistry.NotFound
	}
	d, err := t.schema.Find(t.ctx, name)
	return d, plainNotFound(err)
}

// plainNotFound unwraps NotFound, which protobuf compares with ==.
func plainNotFound(err error) error {
	if errors.Is(err, protoregistry.NotFound) {
		return protoregistry.NotFound
	}
	return err
}
