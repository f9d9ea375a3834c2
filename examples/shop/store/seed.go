package store

import (
	"context"
	"database/sql"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
)

// seeds are the orders of a new shop: those that published clients of these services ask for.
func seeds() []*ecommerce.Order {
	return []*ecommerce.Order{
		{Id: "102", Items: []string{"Google Pixel 3A", "Mac Book Pro"}, Destination: "Mountain View, CA", Price: 1800},
		{Id: "103", Items: []string{"Apple Watch S4"}, Destination: "San Jose, CA", Price: 400},
		{Id: "104", Items: []string{"Google Home Mini", "Google Nest Hub"}, Destination: "Mountain View, CA", Price: 400},
		{Id: "105", Items: []string{"Amazon Echo"}, Destination: "San Jose, CA", Price: 30},
		{Id: "106", Items: []string{"Amazon Echo", "Apple iPhone XS"}, Destination: "Mountain View, CA", Price: 300},
	}
}

func seed(ctx context.Context, tx *sql.Tx) error {
	put, err := tx.PrepareContext(ctx, putOrder)
	if err != nil {
		return err
	}
	defer put.Close()
	for _, o := range seeds() {
		if err := execOrder(ctx, put, o); err != nil {
			return err
		}
	}
	return nil
}
