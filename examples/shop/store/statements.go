package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

const (
	putProduct = `INSERT INTO products (id, name, description, price) VALUES (?, ?, ?, ?)`
	getProduct = `SELECT id, name, description, price FROM products WHERE id = ?`

	// An order that is stored again keeps its place among the others.
	putOrder = `INSERT INTO orders (id, items, description, price, destination) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET items = excluded.items, description = excluded.description,
			price = excluded.price, destination = excluded.destination`
	getOrder = `SELECT seq, id, items, description, price, destination FROM orders WHERE id = ?`

	// instr, not LIKE: the query is text to be found, not a pattern, and case counts.
	searchOrders = `SELECT seq, id, items, description, price, destination FROM orders
		WHERE seq > ? AND EXISTS (SELECT 1 FROM json_each(items) WHERE instr(value, ?) > 0)
		ORDER BY seq LIMIT ?`
)

// statements are prepared once; database/sql prepares them again on each connection that meets
// them.
type statements struct {
	// immutable after prepare
	putProduct, getProduct           *sql.Stmt
	putOrder, getOrder, searchOrders *sql.Stmt
}

func (p *statements) prepare(ctx context.Context, reader, writer *sql.DB) error {
	for _, s := range []struct {
		db   *sql.DB
		text string
		into **sql.Stmt
	}{
		{writer, putProduct, &p.putProduct},
		{writer, putOrder, &p.putOrder},
		{reader, getProduct, &p.getProduct},
		{reader, getOrder, &p.getOrder},
		{reader, searchOrders, &p.searchOrders},
	} {
		stmt, err := s.db.PrepareContext(ctx, s.text)
		if err != nil {
			return fmt.Errorf("prepare %q: %w", s.text, err)
		}
		*s.into = stmt
	}
	return nil
}

func (p *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{p.putProduct, p.getProduct, p.putOrder, p.getOrder, p.searchOrders} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}
