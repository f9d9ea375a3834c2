package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"iter"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
)

// searchPage is how many orders a search reads at a time. Between pages it holds no lock, no
// connection and no snapshot of the file, so that a caller may take as long as it likes over each
// order.
const searchPage = 64

// PutOrders stores orders, each in place of one with the same id if there is one: all of them, or
// after an error none, unless the context ended while they were being committed: then it is not
// known which.
func (s *Store) PutOrders(ctx context.Context, orders ...*ecommerce.Order) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return classify(ctx, err)
	}
	defer tx.Rollback() // after Commit it does nothing
	put := tx.StmtContext(ctx, s.prepared.putOrder)
	for _, o := range orders {
		if err := execOrder(ctx, put, o); err != nil {
			return classify(ctx, err)
		}
	}
	return classify(ctx, tx.Commit())
}

func execOrder(ctx context.Context, put *sql.Stmt, o *ecommerce.Order) error {
	items := o.GetItems()
	if items == nil {
		items = []string{} // an array, not null
	}
	list, err := json.Marshal(items)
	if err != nil {
		return err
	}
	_, err = put.ExecContext(ctx, o.GetId(), string(list), o.GetDescription(), float64(o.GetPrice()), o.GetDestination())
	return err
}

// Order returns the order of an id, or ErrNotFound.
func (s *Store) Order(ctx context.Context, id string) (*ecommerce.Order, error) {
	o, _, err := scanOrder(s.prepared.getOrder.QueryRowContext(ctx, id).Scan)
	if err != nil {
		return nil, classify(ctx, err)
	}
	return o, nil
}

// SearchOrders yields the orders with an item that contains query, in the order of their first
// arrival, then the error if it failed. Orders stored while it runs may or may not be among them.
func (s *Store) SearchOrders(ctx context.Context, query string) iter.Seq2[*ecommerce.Order, error] {
	return func(yield func(*ecommerce.Order, error) bool) {
		var after int64
		for {
			page, last, err := s.searchPage(ctx, query, after)
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
			}
			if err != nil {
				yield(nil, classify(ctx, err))
				return
			}
			if len(page) < searchPage {
				return
			}
			after = last
		}
	}
}

// searchPage returns the matches that follow the order with sequence number after, and the last
// one's number.
func (s *Store) searchPage(ctx context.Context, query string, after int64) (page []*ecommerce.Order, last int64, err error) {
	rows, err := s.prepared.searchOrders.QueryContext(ctx, after, query, searchPage)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		o, seq, err := scanOrder(rows.Scan)
		if err != nil {
			return page, last, err
		}
		page, last = append(page, o), seq
	}
	return page, last, rows.Err()
}

func scanOrder(scan func(...any) error) (*ecommerce.Order, int64, error) {
	o := new(ecommerce.Order)
	var (
		seq   int64
		items string
		price float64
	)
	if err := scan(&seq, &o.Id, &items, &o.Description, &price, &o.Destination); err != nil {
		return nil, 0, err
	}
	o.Price = float32(price) // it was a float32 when it was stored: nothing is lost
	if err := json.Unmarshal([]byte(items), &o.Items); err != nil {
		return nil, 0, fmt.Errorf("items of order %q: %w", o.Id, err)
	}
	return o, seq, nil
}
