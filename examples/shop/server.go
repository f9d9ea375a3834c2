package shop

import (
	"context"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
)

// Register adds both services of the shop to a server. st must stay open until the server has
// ended.
func Register(reg naru.ServiceRegistrar, st *store.Store) {
	ecommerce.RegisterProductInfoServer(reg, productInfo{NewCatalogue(st)})
	ecommerce.RegisterOrderManagementServer(reg, orderManagement{NewOrders(st)})
}

type productInfo struct{ catalogue *Catalogue }

func (s productInfo) AddProduct(ctx context.Context, p *ecommerce.Product) (*ecommerce.ProductID, error) {
	id, err := s.catalogue.Add(ctx, p)
	if err != nil {
		return nil, err
	}
	return &ecommerce.ProductID{Value: id}, nil
}

func (s productInfo) GetProduct(ctx context.Context, id *ecommerce.ProductID) (*ecommerce.Product, error) {
	return s.catalogue.Get(ctx, id.GetValue())
}

type orderManagement struct{ orders *Orders }

func (s orderManagement) AddOrder(ctx context.Context, o *ecommerce.Order) (*wrapperspb.StringValue, error) {
	answer, err := s.orders.Add(ctx, o)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(answer), nil
}

func (s orderManagement) GetOrder(ctx context.Context, id *wrapperspb.StringValue) (*ecommerce.Order, error) {
	return s.orders.Get(ctx, id.GetValue())
}

func (s orderManagement) SearchOrders(query *wrapperspb.StringValue, stream naru.ServerStreamingServer[ecommerce.Order]) error {
	return s.orders.Search(stream.Context(), query.GetValue(), stream.Send)
}

func (s orderManagement) UpdateOrders(stream naru.ClientStreamingServer[ecommerce.Order, wrapperspb.StringValue]) error {
	answer, err := s.orders.Update(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	return stream.SendAndClose(wrapperspb.String(answer))
}

func (s orderManagement) ProcessOrders(stream naru.BidiStreamingServer[wrapperspb.StringValue, ecommerce.CombinedShipment]) error {
	return s.orders.Process(stream.Context(), stream.Recv, stream.Send)
}
