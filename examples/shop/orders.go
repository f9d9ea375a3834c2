package shop

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/status"
)

// An update is stored in one piece, and held in memory until then.
const (
	maxUpdateOrders = 10_000
	maxUpdateBytes  = 8 << 20 // of the orders in wire form
)

// Orders is what service OrderManagement does. Safe for concurrent use.
type Orders struct{ store *store.Store }

// NewOrders returns the management of the orders in st.
func NewOrders(st *store.Store) *Orders { return &Orders{store: st} }

// Add stores an order, in place of one with the same id, and returns what to tell the client.
func (o *Orders) Add(ctx context.Context, order *ecommerce.Order) (string, error) {
	if err := checkOrder(order); err != nil {
		return "", err
	}
	if err := o.store.PutOrders(ctx, order); err != nil {
		return "", storeError("store the order", err)
	}
	return "Order Added: " + order.GetId(), nil
}

// Get returns the order of an id.
func (o *Orders) Get(ctx context.Context, id string) (*ecommerce.Order, error) {
	order, err := o.store.Order(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "there is no order with the id %q", id)
	}
	return order, storeError("read the order", err)
}

// Search sends every order with an item that contains query, oldest first.
func (o *Orders) Search(ctx context.Context, query string, send func(*ecommerce.Order) error) error {
	for order, err := range o.store.SearchOrders(ctx, query) {
		if err != nil {
			return storeError("search the orders", err)
		}
		if err := send(order); err != nil {
			return err
		}
	}
	return nil
}

// Update stores every order that recv returns before io.EOF, all or none, and returns what to tell
// the client: the ids, in the order they came.
func (o *Orders) Update(ctx context.Context, recv func() (*ecommerce.Order, error)) (string, error) {
	var orders []*ecommerce.Order
	var ids []string
	size := 0
	for {
		order, err := recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return "", err
		}
		if err := checkOrder(order); err != nil {
			return "", err
		}
		if size += proto.Size(order); size > maxUpdateBytes || len(orders) == maxUpdateOrders {
			return "", status.Errorf(codes.ResourceExhausted,
				"an update has at most %d orders and %d MiB: nothing was stored", maxUpdateOrders, maxUpdateBytes>>20)
		}
		orders, ids = append(orders, order), append(ids, order.GetId())
	}
	if len(orders) == 0 {
		return "No orders were sent", nil
	}
	if err := o.store.PutOrders(ctx, orders...); err != nil {
		return "", storeError("store the orders", err)
	}
	return "Updated Order IDs: " + strings.Join(ids, ", "), nil
}
