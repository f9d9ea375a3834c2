package peers

import (
	"net"
	"strings"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/dynamic"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/reflection"
	"github.com/naru-rpc/naru/status"
	grpcreflection "google.golang.org/grpc/reflection"
	v1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
)

// TestDynamic calls the shop without its stubs, with the schema that each stack's reflection gives.
func TestDynamic(t *testing.T) {
	for name, serve := range map[string]func(*testing.T, net.Listener, *store.Store){
		"naru": func(t *testing.T, lis net.Listener, st *store.Store) {
			srv := newNaruServer(t, nil)
			shop.Register(srv, st)
			reflection.Register(srv)
			serveNaru(t, srv, lis)
		},
		"grpc-go": func(t *testing.T, lis net.Listener, st *store.Store) {
			srv := newGRPCGoServer(nil)
			registerGRPCGoShop(srv, st)
			grpcreflection.Register(srv)
			serveGRPCGo(t, srv, lis)
		},
		"grpc-go with v1alpha alone": func(t *testing.T, lis net.Listener, st *store.Store) {
			srv := newGRPCGoServer(nil)
			registerGRPCGoShop(srv, st)
			v1alpha.RegisterServerReflectionServer(srv, grpcreflection.NewServer(grpcreflection.ServerOptions{Services: srv}))
			serveGRPCGo(t, srv, lis)
		},
	} {
		t.Run(name, func(t *testing.T) {
			lis := listen(t)
			serve(t, lis, openShop(t))
			testDynamic(t, dialNaru(t, lis.Addr().String(), nil))
		})
	}
}

func testDynamic(t *testing.T, cc *naru.Client) {
	c := dynamic.NewClient(cc)
	call := func(method, request string) string {
		t.Helper()
		reply, err := c.Call(t.Context(), method, request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.JSON(t.Context(), reply)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	id := call("ecommerce.ProductInfo/addProduct", `{"name":"lamp","price":12.5}`)
	if got := call("getProduct", id); !strings.Contains(got, `"name":"lamp"`) {
		t.Errorf("getProduct: got %s", got)
	}
	for _, o := range []string{
		`{"id":"d1","items":["lamp"],"destination":"Seoul"}`, `{"id":"d2","items":["lamp","rug"],"destination":"Busan"}`,
	} {
		if got := call("OrderManagement.addOrder", o); !strings.HasPrefix(got, `"`) {
			t.Errorf("addOrder: got %s, want a JSON string (StringValue)", got)
		}
	}
	if _, err := c.Call(t.Context(), "getProduct", `{"value":"none"}`); status.Code(err) != codes.NotFound {
		t.Errorf("an unknown product: got %v", err)
	}
	if got := streamed(t, c, "searchOrders", `"rug"`); !strings.Contains(got, `"id":"d2"`) {
		t.Errorf("searchOrders: got %s", got)
	}
	if got := streamed(t, c, "processOrders", `"d1"`, `"d2"`); strings.Count(got, "Seoul")+strings.Count(got, "Busan") < 2 {
		t.Errorf("processOrders: got %s", got)
	}
	if got := streamed(t, c, "updateOrders", `{"id":"d1","items":["rug"],"destination":"Seoul"}`); !strings.Contains(got, "d1") {
		t.Errorf("updateOrders: got %s", got)
	}
}

func streamed(t *testing.T, c *dynamic.Client, method string, requests ...string) string {
	t.Helper()
	s, err := c.Stream(t.Context(), method)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, r := range requests {
		if err := s.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for m, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		text, err := c.JSON(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
