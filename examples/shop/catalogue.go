package shop

import (
	"context"
	"errors"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/status"
)

// Catalogue is what service ProductInfo does. Safe for concurrent use.
type Catalogue struct{ store *store.Store }

// NewCatalogue returns the catalogue of the products in st.
func NewCatalogue(st *store.Store) *Catalogue { return &Catalogue{store: st} }

// Add stores a product and returns its new id. An id in p is ignored.
func (c *Catalogue) Add(ctx context.Context, p *ecommerce.Product) (id string, err error) {
	if err := checkProduct(p); err != nil {
		return "", err
	}
	id, err = c.store.AddProduct(ctx, p)
	return id, storeError("store the product", err)
}

// Get returns the product of an id.
func (c *Catalogue) Get(ctx context.Context, id string) (*ecommerce.Product, error) {
	p, err := c.store.Product(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, status.Errorf(codes.NotFound, "there is no product with the id %q", id)
	}
	return p, storeError("read the product", err)
}

// storeError turns what the store returned, nil or not, into what a caller may see: SQLite's own
// words stay in this process, as the cause.
func storeError(operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		s := status.FromContextError(err)
		return s.WithMessage(operation + ": the call ended first").Err()
	case errors.Is(err, store.ErrBusy):
		return failed(codes.Unavailable, operation, store.ErrBusy, err)
	case errors.Is(err, store.ErrFull):
		return failed(codes.ResourceExhausted, operation, store.ErrFull, err)
	default:
		return failed(codes.Internal, operation, errors.New("the shop's file could not be used"), err)
	}
}

func failed(c codes.Code, operation string, said, cause error) error {
	return status.Newf(c, "%s: %v", operation, said).WithCause(cause).Err()
}
