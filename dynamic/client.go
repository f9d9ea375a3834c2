package dynamic

import (
	"context"
	"sync"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Client calls methods by name. It holds no connection of its own and needs no closing. Safe for
// concurrent use.
type Client struct {
	// immutable
	cc     naru.ClientConnInterface
	schema Source

	methods sync.Map // names as they were asked for, and paths: *Method
}

// NewClient returns a client whose calls are made by cc. The sources are asked for the schema in
// turn; without any, the server behind cc is, by reflection.
func NewClient(cc naru.ClientConnInterface, sources ...Source) *Client {
	schema := Join(sources...)
	if len(sources) == 0 {
		schema = Reflection(cc)
	}
	return &Client{cc: cc, schema: schema}
}

// Schema returns where the client looks descriptors up.
func (c *Client) Schema() Source { return c.schema }

// Reset forgets the methods that were looked up, and what the schema has kept if that is a
// [ReflectionSource]: after a server was replaced by one with other services. Calls under way are
// not affected.
func (c *Client) Reset() {
	if r, ok := c.schema.(interface{ Reset() }); ok {
		r.Reset()
	}
	c.methods.Clear()
}

// Method is a method that a [Client] can call. Immutable.
type Method struct {
	// Descriptor describes the method and its messages.
	Descriptor protoreflect.MethodDescriptor

	info naru.MethodInfo
	// extensible reports whether a response may hold extensions.
	extensible bool
}

// Path returns the method's name on the wire, "/package.Service/Method".
func (m *Method) Path() string { return m.info.FullMethod }

// Kind returns which side may send more than one message.
func (m *Method) Kind() naru.Kind { return m.info.Kind }

func newMethod(d protoreflect.MethodDescriptor) *Method {
	m := &Method{Descriptor: d, extensible: extensible(d.Output(), map[protoreflect.FullName]bool{})}
	m.info.FullMethod = "/" + string(d.Parent().FullName()) + "/" + string(d.Name())
	switch {
	case d.IsStreamingClient() && d.IsStreamingServer():
		m.info.Kind = naru.KindBidi
	case d.IsStreamingClient():
		m.info.Kind = naru.KindClientStream
	case d.IsStreamingServer():
		m.info.Kind = naru.KindServerStream
	}
	if o, ok := d.Options().(*descriptorpb.MethodOptions); ok {
		switch o.GetIdempotencyLevel() {
		case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
			m.info.Idempotency = naru.NoSideEffects
		case descriptorpb.MethodOptions_IDEMPOTENT:
			m.info.Idempotency = naru.Idempotent
		}
	}
	return m
}

// extensible reports whether a message of type d may hold extensions, at any depth.
func extensible(d protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[d.FullName()] {
		return false
	}
	seen[d.FullName()] = true
	if d.ExtensionRanges().Len() > 0 {
		return true
	}
	for i := range d.Fields().Len() {
		if m := d.Fields().Get(i).Message(); m != nil && extensible(m, seen) {
			return true
		}
	}
	return false
}

// Call makes a unary call and returns the response, whose type has the descriptor of the method's
// output. The error is the call's status; INVALID_ARGUMENT if the request does not fit the method,
// NOT_FOUND if the schema has no such method, FAILED_PRECONDITION if the method streams (see
// [Client.Stream]). These three are found before the call is made.
func (c *Client) Call(ctx context.Context, method string, request any, opts ...naru.CallOption) (*dynamicpb.Message, error) {
	m, err := c.Method(ctx, method)
	if err != nil {
		return nil, err
	}
	if m.Kind() != naru.KindUnary {
		return nil, status.Errorf(codes.FailedPrecondition, "dynamic: %s is a %s method: use Stream", m.Path(), m.Kind())
	}
	req, err := c.message(ctx, m.Descriptor.Input(), request)
	if err != nil {
		return nil, err
	}
	res := dynamicpb.NewMessage(m.Descriptor.Output())
	if err := c.cc.Invoke(ctx, &m.info, req, res, opts...); err != nil {
		return nil, err
	}
	return res, c.resolveExtensions(ctx, m, res)
}

// resolveExtensions decodes the extensions in a received message, which the codec left unknown.
func (c *Client) resolveExtensions(ctx context.Context, m *Method, res *dynamicpb.Message) error {
	if !m.extensible {
		return nil
	}
	raw, err := proto.Marshal(res)
	if err == nil {
		proto.Reset(res)
		err = proto.UnmarshalOptions{Resolver: c.Types(ctx), AllowPartial: true}.Unmarshal(raw, res)
	}
	if err != nil {
		return status.Errorf(codes.Internal, "dynamic: decoding the extensions of %s: %v", m.Descriptor.Output().FullName(), err)
	}
	return nil
}
