package shop

import (
	"context"
	"errors"
	"io"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
)

// batchSize is after how many orders Process sends what it has combined.
const batchSize = 3

// Process combines the orders whose ids recv returns into shipments by destination, and sends them
// after every third id and after io.EOF. Ids that name no order are sent back in a shipment of
// their own. It returns nil, and so ends the stream with OK, unless receiving, sending or the store
// fails: clients of this method that never look at the status of a finished stream are many.
func (o *Orders) Process(ctx context.Context, recv func() (*wrapperspb.StringValue, error), send func(*ecommerce.CombinedShipment) error) error {
	var b batch
	for {
		id, err := recv()
		if err == io.EOF {
			return b.flush(send)
		}
		if err != nil {
			return err
		}
		order, err := o.store.Order(ctx, id.GetValue())
		switch {
		case errors.Is(err, store.ErrNotFound):
			b.addUnknown(id.GetValue())
		case err != nil:
			return storeError("read the order", err)
		default:
			b.add(order)
		}
		if b.orders == batchSize {
			if err := b.flush(send); err != nil {
				return err
			}
		}
	}
}

// batch is the shipments combined since the last flush, in the order of their first parcel.
type batch struct {
	shipments []*ecommerce.CombinedShipment
	orders    int // in all shipments together
}

func (b *batch) add(o *ecommerce.Order) {
	b.put("cmb - "+o.GetDestination(), "Processed!", o)
}

func (b *batch) addUnknown(id string) {
	b.put("unknown", "There are no orders with these ids", &ecommerce.Order{Id: id})
}

// put adds an order to the shipment of that id and status, and makes it if there is none. A batch
// has at most three: a map would not be faster.
func (b *batch) put(id, status string, o *ecommerce.Order) {
	b.orders++
	for _, s := range b.shipments {
		if s.GetId() == id && s.GetStatus() == status {
			s.OrdersList = append(s.OrdersList, o)
			return
		}
	}
	b.shipments = append(b.shipments, &ecommerce.CombinedShipment{
		Id: id, Status: status, OrdersList: []*ecommerce.Order{o},
	})
}

func (b *batch) flush(send func(*ecommerce.CombinedShipment) error) error {
	for _, s := range b.shipments {
		if err := send(s); err != nil {
			return err
		}
	}
	*b = batch{}
	return nil
}
