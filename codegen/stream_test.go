package codegen_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codegen/testdata/edition"
	"github.com/naru-rpc/naru/codegen/testdata/in"
	"github.com/naru-rpc/naru/codegen/testdata/names"
	"github.com/naru-rpc/naru/codegen/testdata/shop"
	"github.com/naru-rpc/naru/codegen/testdata/shop/shopnaru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
)

// orders implements the streaming methods with the short names of their stream types.
type orders struct {
	shop.UnimplementedOrderManagementServer
}

func (orders) SearchOrders(query *wrapperspb.StringValue, stream shop.OrderManagement_SearchOrdersServer) error {
	for _, id := range strings.Fields(query.GetValue()) {
		if err := stream.Send(&shop.Order{Id: id}); err != nil {
			return err
		}
	}
	return nil
}

func (orders) UpdateOrders(stream shop.OrderManagement_UpdateOrdersServer) error {
	var ids []string
	for order, err := range stream.All() {
		if err != nil {
			return err
		}
		ids = append(ids, order.GetId())
	}
	return stream.SendAndClose(wrapperspb.String(strings.Join(ids, " ")))
}

func (orders) ProcessOrders(stream shop.OrderManagement_ProcessOrdersServer) error {
	for id, err := range stream.All() {
		if err != nil {
			return err
		}
		if err := stream.Send(&shop.CombinedShipment{Id: id.GetValue()}); err != nil {
			return err
		}
	}
	return nil
}

// TestAllKinds calls every kind of method through stubs beside the messages and in a package of
// their own.
func TestAllKinds(t *testing.T) {
	cc := narutest.Serve(t, func(s naru.ServiceRegistrar) { shop.RegisterOrderManagementServer(s, orders{}) })
	clients := map[string]shop.OrderManagementClient{
		"beside the messages": shop.NewOrderManagementClient(cc),
		"own package":         shopnaru.NewOrderManagementClient(cc),
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			if _, err := client.AddOrder(t.Context(), &shop.Order{}); status.Code(err) != codes.Unimplemented ||
				!strings.Contains(status.Convert(err).Message(), "/naru.codegen.shop.OrderManagement/addOrder") {
				t.Errorf("a method left out: got %v, want UNIMPLEMENTED that names it", err)
			}
			serverStreaming(t, client)
			clientStreaming(t, client)
			bidi(t, client)
		})
	}
}

func serverStreaming(t *testing.T, client shop.OrderManagementClient) {
	var stream shop.OrderManagement_SearchOrdersClient
	stream, err := client.SearchOrders(t.Context(), wrapperspb.String("a b c"))
	if err != nil {
		t.Fatal(err)
	}
	var got string
	for order, err := range stream.All() {
		if err != nil {
			t.Fatal(err)
		}
		got += order.GetId()
	}
	if got != "abc" {
		t.Errorf("server streaming: got %q, want abc", got)
	}
}

func clientStreaming(t *testing.T, client shop.OrderManagementClient) {
	stream, err := client.UpdateOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2"} {
		if err := stream.Send(&shop.Order{Id: id}); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := stream.CloseAndRecv(); err != nil || got.GetValue() != "1 2" {
		t.Errorf("client streaming: got %v, %v; want 1 2", got, err)
	}
}

func bidi(t *testing.T, client shop.OrderManagementClient) {
	stream, err := client.ProcessOrders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"x", "y"} {
		if err := stream.Send(wrapperspb.String(id)); err != nil {
			t.Fatal(err)
		}
		if got, err := stream.Recv(); err != nil || got.GetId() != id {
			t.Errorf("bidi: got %v, %v; want %s", got, err, id)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("bidi: got %v at the end, want io.EOF", err)
	}
}

// oddNames has the methods of service "func".
type oddNames struct{ names.UnimplementedFuncServer }

func (oddNames) Select(context.Context, *names.Outer) (*names.Outer_Inner, error) {
	return &names.Outer_Inner{}, nil
}

// locals answers with what it got.
type locals struct {
	names.UnimplementedLocalsServer
}

func (locals) In(_ context.Context, m *in.M) (*in.M, error) { return m, nil }

func TestOddNames(t *testing.T) {
	cc := narutest.Serve(t, func(s naru.ServiceRegistrar) {
		names.RegisterFuncServer(s, oddNames{})
		names.RegisterLocalsServer(s, locals{})
		names.RegisterNothingServer(s, names.UnimplementedNothingServer{})
	})
	if _, err := names.NewFuncClient(cc).Select(t.Context(), &names.Outer{}); err != nil {
		t.Errorf("method select of service func: %v", err)
	}
	got, err := names.NewLocalsClient(cc).In(t.Context(), &in.M{Text: "x"})
	if err != nil || got.GetText() != "x" {
		t.Errorf("messages of package in: got %v, %v", got, err)
	}
	if _, err := names.NewFuncClient(cc).XY(t.Context(), nil); status.Code(err) == codes.OK {
		t.Error("method X_y: want an error, it is left out")
	}
}

// talk echoes.
type talk struct{}

func (talk) Talk(stream edition.Editions_TalkServer) error {
	m, err := stream.Recv()
	if err != nil {
		return err
	}
	return stream.Send(m)
}

func TestEditions(t *testing.T) {
	cc := narutest.Serve(t, func(s naru.ServiceRegistrar) { edition.RegisterEditionsServer(s, talk{}) })
	stream, err := edition.NewEditionsClient(cc).Talk(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&edition.M{Text: "t", Maybe: new(string)}); err != nil {
		t.Fatal(err)
	}
	got, err := stream.Recv()
	if err != nil || got.GetText() != "t" || got.Maybe == nil {
		t.Errorf("got %v, %v; want the message back with the empty string present", got, err)
	}
	if err := stream.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
