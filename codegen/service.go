package codegen

import (
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
)

// service is a service with the Go names made for it. Immutable.
type service struct {
	*protogen.Service
	methods    []*method
	deprecated bool
	file       string

	serverName        string // ProductInfoServer
	unimplementedName string // UnimplementedProductInfoServer
	registerName      string // RegisterProductInfoServer
	descName          string // ProductInfo_ServiceDesc
	nameName          string // ProductInfo_ServiceName
	clientName        string // ProductInfoClient
	newClientName     string // NewProductInfoClient
	stubName          string // productInfoClient
}

// method is a method with the Go names made for it. Immutable.
type method struct {
	*protogen.Method
	kind       kind
	deprecated bool
	path       string // "/package.Service/method"

	fullMethodName string // ProductInfo_AddProduct_FullMethodName
	infoName       string // methodProductInfo_AddProduct
	serverAlias    string // ProductInfo_AddProductServer; "" for a unary method
	clientAlias    string // ProductInfo_AddProductClient; "" for a unary method
}

func newService(s *protogen.Service) *service {
	options, _ := s.Desc.Options().(*descriptorpb.ServiceOptions)
	out := &service{
		Service:           s,
		deprecated:        options.GetDeprecated() || fileDeprecated(s.Desc.ParentFile()),
		file:              s.Desc.ParentFile().Path(),
		serverName:        s.GoName + "Server",
		unimplementedName: "Unimplemented" + s.GoName + "Server",
		registerName:      "Register" + s.GoName + "Server",
		descName:          s.GoName + "_ServiceDesc",
		nameName:          s.GoName + "_ServiceName",
		clientName:        s.GoName + "Client",
		newClientName:     "New" + s.GoName + "Client",
		stubName:          strings.ToLower(s.GoName[:1]) + s.GoName[1:] + "Client",
	}
	for _, m := range s.Methods {
		out.methods = append(out.methods, newMethod(out, m))
	}
	return out
}

func newMethod(s *service, m *protogen.Method) *method {
	options, _ := m.Desc.Options().(*descriptorpb.MethodOptions)
	base := s.GoName + "_" + m.GoName
	out := &method{
		Method:         m,
		kind:           kindOf(m),
		deprecated:     options.GetDeprecated(),
		path:           "/" + string(s.Desc.FullName()) + "/" + string(m.Desc.Name()),
		fullMethodName: base + "_FullMethodName",
		infoName:       "method" + base,
	}
	if out.kind != unary {
		out.serverAlias = base + "Server"
		out.clientAlias = base + "Client"
	}
	return out
}

// names lists what the service and its methods declare at package level.
func (s *service) names() []string {
	return []string{s.serverName, s.unimplementedName, s.registerName, s.descName, s.nameName,
		s.clientName, s.newClientName, s.stubName}
}

func (m *method) names() []string {
	names := []string{m.fullMethodName, m.infoName}
	if m.kind != unary {
		names = append(names, m.serverAlias, m.clientAlias)
	}
	return names
}

// idempotency returns the name of the naru constant for the method's idempotency_level, "" for
// unknown.
func (m *method) idempotency() string {
	options, _ := m.Desc.Options().(*descriptorpb.MethodOptions)
	switch options.GetIdempotencyLevel() {
	case descriptorpb.MethodOptions_NO_SIDE_EFFECTS:
		return "NoSideEffects"
	case descriptorpb.MethodOptions_IDEMPOTENT:
		return "Idempotent"
	default:
		return ""
	}
}

// doc returns the comment of the method in either interface: the .proto file's words.
func (m *method) doc(file string) string {
	leading, trailing := commentsOf(m.Comments)
	return doc(leading, trailing, deprecation(m.deprecated, string(m.Desc.Name()), file))
}

// kind is one of the four kinds of call.
type kind uint8

const (
	unary kind = iota
	serverStream
	clientStream
	bidi
)

func kindOf(m *protogen.Method) kind {
	switch {
	case m.Desc.IsStreamingClient() && m.Desc.IsStreamingServer():
		return bidi
	case m.Desc.IsStreamingClient():
		return clientStream
	case m.Desc.IsStreamingServer():
		return serverStream
	default:
		return unary
	}
}

// runtimeNames are the names in package naru that a kind goes by.
type runtimeNames struct{ kind, handler, server, client, newClient string }

var runtime = [...]runtimeNames{
	unary:        {kind: "KindUnary", handler: "UnaryHandler"},
	serverStream: {"KindServerStream", "ServerStreamHandler", "ServerStreamingServer", "ServerStreamingClient", "NewServerStreamingClient"},
	clientStream: {"KindClientStream", "ClientStreamHandler", "ClientStreamingServer", "ClientStreamingClient", "NewClientStreamingClient"},
	bidi:         {"KindBidi", "BidiStreamHandler", "BidiStreamingServer", "BidiStreamingClient", "NewBidiStreamingClient"},
}
