package codegen_test

import (
	"context"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codegen/testdata/names"
	"github.com/naru-rpc/naru/codegen/testdata/shop"
	"github.com/naru-rpc/naru/codegen/testdata/shop/shopnaru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
)

// recorder is a connection that answers unary calls by itself.
type recorder struct {
	naru.ClientConnInterface
	method *naru.MethodInfo
	req    proto.Message
	opts   int
	answer proto.Message
	err    error
}

func (r *recorder) Invoke(_ context.Context, method *naru.MethodInfo, req, res any, opts ...naru.CallOption) error {
	r.method, r.req, r.opts = method, req.(proto.Message), len(opts)
	if r.err == nil {
		proto.Merge(res.(proto.Message), r.answer)
	}
	return r.err
}

func TestUnaryStub(t *testing.T) {
	cc := &recorder{answer: &shop.Product{Id: "1", Name: "tea"}}
	got, err := shop.NewProductInfoClient(cc).GetProduct(t.Context(), &shop.ProductID{Value: "1"}, nil, nil)
	if err != nil || got.GetName() != "tea" {
		t.Fatalf("got %v, %v; want tea", got, err)
	}
	want := naru.MethodInfo{FullMethod: "/naru.codegen.shop.ProductInfo/getProduct", Kind: naru.KindUnary, Idempotency: naru.NoSideEffects}
	if cc.method.FullMethod != want.FullMethod || cc.method.Kind != want.Kind || cc.method.Idempotency != want.Idempotency {
		t.Errorf("method: got %+v, want %+v: the wire keeps the .proto file's spelling", cc.method, &want)
	}
	if id := cc.req.(*shop.ProductID).GetValue(); id != "1" || cc.opts != 2 {
		t.Errorf("got request %q and %d options, want 1 and both", id, cc.opts)
	}
	cc.err = status.Error(codes.NotFound, "none")
	if got, err := shop.NewProductInfoClient(cc).GetProduct(t.Context(), &shop.ProductID{}); got != nil || status.Code(err) != codes.NotFound {
		t.Errorf("got %v, %v; want no message beside an error", got, err)
	}
}

func TestMethodDescriptions(t *testing.T) {
	desc := shop.OrderManagement_ServiceDesc(shop.UnimplementedOrderManagementServer{})
	if desc.Name != "naru.codegen.shop.OrderManagement" || desc.File != shop.File_shop_proto {
		t.Errorf("got %s in %v, want the full name and the file of the messages", desc.Name, desc.File)
	}
	want := []naru.MethodInfo{
		{FullMethod: "/naru.codegen.shop.OrderManagement/addOrder", Kind: naru.KindUnary, Idempotency: naru.Idempotent},
		{FullMethod: "/naru.codegen.shop.OrderManagement/searchOrders", Kind: naru.KindServerStream},
		{FullMethod: "/naru.codegen.shop.OrderManagement/updateOrders", Kind: naru.KindClientStream},
		{FullMethod: "/naru.codegen.shop.OrderManagement/processOrders", Kind: naru.KindBidi},
	}
	if len(desc.Methods) != len(want) {
		t.Fatalf("got %d methods, want %d", len(desc.Methods), len(want))
	}
	for i := range want {
		got := desc.Methods[i].Info
		if got.FullMethod != want[i].FullMethod || got.Kind != want[i].Kind || got.Idempotency != want[i].Idempotency {
			t.Errorf("method %d: got %+v, want %+v", i, got, &want[i])
		}
	}
	if len(names.Nothing_ServiceDesc(names.UnimplementedNothingServer{}).Methods) != 0 {
		t.Error("a service without methods has methods")
	}
}

// half lacks methods of every service.
type half struct{}

func (half) GetProduct(context.Context, *shop.ProductID) (*shop.Product, error) { return nil, nil }

// whole opts in to run-time answers.
type whole struct {
	half
	shop.UnimplementedProductInfoServer
}

func (w whole) GetProduct(ctx context.Context, id *shop.ProductID) (*shop.Product, error) {
	return w.half.GetProduct(ctx, id)
}

func TestMissingMethods(t *testing.T) {
	server := reflect.TypeFor[shop.ProductInfoServer]()
	if reflect.TypeFor[half]().Implements(server) {
		t.Error("a type that lacks a method is taken for an implementation; it has to be a compile error")
	}
	if !reflect.TypeFor[whole]().Implements(server) {
		t.Error("embedding UnimplementedProductInfoServer does not fill in the missing methods")
	}
	_, err := whole{}.AddProduct(t.Context(), nil)
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("got %v, want UNIMPLEMENTED", err)
	}
	if got, want := reflect.TypeFor[shop.ProductInfoServer]().NumMethod(), 2; got != want {
		t.Errorf("the interface has %d methods, want %d: nothing but the service's own", got, want)
	}
}

// registry is a server that keeps what is registered.
type registry struct{ services []*naru.ServiceDesc }

func (r *registry) RegisterService(desc *naru.ServiceDesc) { r.services = append(r.services, desc) }

func TestRegister(t *testing.T) {
	r := &registry{}
	shop.RegisterProductInfoServer(r, whole{})
	shopnaru.RegisterProductInfoServer(r, whole{}) // the own package serves the same messages
	if len(r.services) != 2 || r.services[0].Name != shop.ProductInfo_ServiceName || r.services[1].Name != shopnaru.ProductInfo_ServiceName {
		t.Errorf("got %v, want ProductInfo twice", r.services)
	}
	if r.services[1].File != shop.File_shop_proto {
		t.Error("a service in a package of its own lost its file")
	}
}
