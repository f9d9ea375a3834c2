package peers

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var naruStack = stack{
	name: "naru",
	serve: func(t *testing.T, lis net.Listener, security *tls.Config, st *store.Store) {
		srv := newNaruServer(t, security)
		shop.Register(srv, st)
		serveNaru(t, srv, lis)
	},
	dial: func(t *testing.T, addr string, security *tls.Config) shopClient {
		return newNaruShop(dialNaru(t, addr, security))
	},
}

func newNaruServer(t *testing.T, security *tls.Config, opts ...naru.ServerOption) *naru.Server {
	t.Helper()
	if security != nil {
		opts = append(opts, naru.WithTLS(security))
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// serveNaru serves until the test ends.
func serveNaru(t *testing.T, srv *naru.Server, lis net.Listener) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-ended; err != nil {
			t.Errorf("naru server: Serve returned %v after Close, want nil", err)
		}
	})
}

func dialNaru(t *testing.T, target string, security *tls.Config, opts ...naru.ClientOption) *naru.Client {
	t.Helper()
	if security != nil {
		opts = append(opts, naru.WithTLS(security))
	} else {
		opts = append(opts, naru.WithPlaintext())
	}
	cc, err := naru.NewClient(target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cc.Close(); err != nil {
			t.Errorf("naru client: Close: %v", err)
		}
	})
	return cc
}

type naruShop struct {
	products ecommerce.ProductInfoClient
	orders   ecommerce.OrderManagementClient
}

func newNaruShop(cc naru.ClientConnInterface) *naruShop {
	return &naruShop{ecommerce.NewProductInfoClient(cc), ecommerce.NewOrderManagementClient(cc)}
}

func (s *naruShop) addProduct(ctx context.Context, p *ecommerce.Product) (string, error) {
	id, err := s.products.AddProduct(ctx, p)
	return id.GetValue(), err
}

func (s *naruShop) getProduct(ctx context.Context, id string) (*ecommerce.Product, error) {
	return s.products.GetProduct(ctx, &ecommerce.ProductID{Value: id})
}

func (s *naruShop) addOrder(ctx context.Context, o *ecommerce.Order) (string, error) {
	res, err := s.orders.AddOrder(ctx, o)
	return res.GetValue(), err
}

func (s *naruShop) getOrder(ctx context.Context, id string) (*ecommerce.Order, error) {
	return s.orders.GetOrder(ctx, wrapperspb.String(id))
}

func (s *naruShop) searchOrders(ctx context.Context, query string) (found []*ecommerce.Order, err error) {
	stream, err := s.orders.SearchOrders(ctx, wrapperspb.String(query))
	if err != nil {
		return nil, err
	}
	for o, err := range stream.All() {
		if err != nil {
			return found, err
		}
		found = append(found, o)
	}
	return found, nil
}

func (s *naruShop) updateOrders(ctx context.Context, orders ...*ecommerce.Order) (string, error) {
	stream, err := s.orders.UpdateOrders(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	for _, o := range orders {
		if stream.Send(o) != nil {
			break // CloseAndRecv says why
		}
	}
	res, err := stream.CloseAndRecv()
	return res.GetValue(), err
}

func (s *naruShop) processOrders(ctx context.Context) (processStream, error) {
	stream, err := s.orders.ProcessOrders(ctx)
	return naruProcess{stream}, err
}

func (s *naruShop) outcome(err error) outcome {
	st := status.Convert(err)
	return outcome{st.Code(), st.Message(), st.Details()}
}

type naruProcess struct {
	stream naru.BidiStreamingClient[wrapperspb.StringValue, ecommerce.CombinedShipment]
}

func (p naruProcess) send(id string) error                       { return p.stream.Send(wrapperspb.String(id)) }
func (p naruProcess) closeSend() error                           { return p.stream.CloseSend() }
func (p naruProcess) recv() (*ecommerce.CombinedShipment, error) { return p.stream.Recv() }
