package store

import (
	"context"
	"crypto/rand"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
)

// AddProduct stores p under a new id, which it returns. p.Id is ignored and p not changed. After an
// error nothing was stored, unless the context ended: then it is not known.
func (s *Store) AddProduct(ctx context.Context, p *ecommerce.Product) (id string, err error) {
	id = rand.Text() // 130 random bits: two products never get the same
	_, err = s.prepared.putProduct.ExecContext(ctx, id, p.GetName(), p.GetDescription(), float64(p.GetPrice()))
	if err != nil {
		return "", classify(ctx, err)
	}
	return id, nil
}

// Product returns the product of an id, or ErrNotFound.
func (s *Store) Product(ctx context.Context, id string) (*ecommerce.Product, error) {
	p := new(ecommerce.Product)
	var price float64
	row := s.prepared.getProduct.QueryRowContext(ctx, id)
	if err := row.Scan(&p.Id, &p.Name, &p.Description, &price); err != nil {
		return nil, classify(ctx, err)
	}
	p.Price = float32(price) // it was a float32 when it was stored: nothing is lost
	return p, nil
}
