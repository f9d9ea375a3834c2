package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/internal/leak"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func search(t *testing.T, s *Store, query string) []*ecommerce.Order {
	t.Helper()
	var found []*ecommerce.Order
	for o, err := range s.SearchOrders(t.Context(), query) {
		if err != nil {
			t.Fatalf("search for %q: %v", query, err)
		}
		found = append(found, o)
	}
	return found
}

func ids(orders []*ecommerce.Order) string {
	var out []string
	for _, o := range orders {
		out = append(out, o.GetId())
	}
	return strings.Join(out, " ")
}

func TestRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a shop, 100% #1?.db") // every character a URI gives a meaning to
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	order := &ecommerce.Order{
		Id: "7", Items: []string{"<&> \u2028 \"quoted\"", "", "한국어"}, Description: "d", Price: 0.1, Destination: "Seoul",
	}
	if err := s.PutOrders(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	product := &ecommerce.Product{Name: "n", Description: "d", Price: 16777217}
	id, err := s.AddProduct(t.Context(), product)
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("the file is not where it was asked for: %v", err)
	}
	if _, err := os.Stat(path + "-wal"); err == nil {
		t.Error("Close left the write-ahead log behind: want everything in the one file")
	}

	s = open(t, path)
	got, err := s.Order(t.Context(), "7")
	if diff := cmp.Diff(order, got, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("order after a restart: %v\n%s", err, diff)
	}
	product.Id = id
	p, err := s.Product(t.Context(), id)
	if diff := cmp.Diff(product, p, protocmp.Transform()); err != nil || diff != "" {
		t.Errorf("product after a restart: %v\n%s", err, diff)
	}
	if got := ids(search(t, s, "")); got != "102 103 104 105 106 7" {
		t.Errorf("orders after a restart: %s, want the seeds once and the new one last", got)
	}
}

func TestDeletedSeedsStayDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.writer.ExecContext(t.Context(), "DELETE FROM orders"); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if got := search(t, open(t, path), ""); len(got) != 0 {
		t.Errorf("an emptied shop has orders %s after a restart: only a new file is seeded", ids(got))
	}
}

func TestReplaceKeepsPlace(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	if err := s.PutOrders(t.Context(), &ecommerce.Order{Id: "103", Items: []string{"Amazon Echo"}}); err != nil {
		t.Fatal(err)
	}
	if got := ids(search(t, s, "Amazon")); got != "103 105 106" {
		t.Errorf("found %s, want 103 105 106: a replaced order keeps its place", got)
	}
	if got := ids(search(t, s, "Watch")); got != "" {
		t.Errorf("found %s by an item that was replaced", got)
	}
}

func TestSearchIsNoPattern(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	if err := s.PutOrders(t.Context(), &ecommerce.Order{Id: "a", Items: []string{`100% "pure\`}}, &ecommerce.Order{Id: "b"}); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"Google":     "102 104",
		"google":     "", // case counts
		"%":          "a",
		`"pure\`:     "a",
		`","`:        "", // the JSON between items is not searched
		"Echo\",\"A": "",
		"Pixel 3A":   "102",
		"":           "102 103 104 105 106 a", // b has no item that could contain it
	} {
		if got := ids(search(t, s, query)); got != want {
			t.Errorf("search for %q found %q, want %q", query, got, want)
		}
	}
}

func TestSearchPages(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	for _, n := range []int{searchPage - 1, searchPage, searchPage + 1, 3 * searchPage} {
		var orders []*ecommerce.Order
		for i := range n {
			orders = append(orders, &ecommerce.Order{Id: fmt.Sprintf("%d/%d", n, i), Items: []string{fmt.Sprintf("item of %d.", n)}})
		}
		if err := s.PutOrders(t.Context(), orders...); err != nil {
			t.Fatal(err)
		}
		if got := search(t, s, fmt.Sprintf("item of %d.", n)); ids(got) != ids(orders) {
			t.Errorf("%d matches: got %s", n, ids(got))
		}
	}
}

func TestSearchHoldsNothingBetweenOrders(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	seen := 0
	for range s.SearchOrders(t.Context(), "") {
		seen++
		// More searches under way than there are connections, and a write: each would wait forever
		// for what the outer ones held.
		for range s.SearchOrders(t.Context(), "") {
			for range s.SearchOrders(t.Context(), "") {
				if in := s.reader.Stats().InUse; in != 0 {
					t.Fatalf("%d connections in use while the caller looks at an order, want 0", in)
				}
			}
		}
		if err := s.PutOrders(t.Context(), &ecommerce.Order{Id: "102"}); err != nil {
			t.Fatal(err)
		}
	}
	if seen != 5 {
		t.Errorf("saw %d orders, want the 5 of the page that was read first", seen)
	}
}

func TestNotFound(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	if _, err := s.Order(t.Context(), "nobody's"); !errors.Is(err, ErrNotFound) {
		t.Errorf("order: %v, want ErrNotFound", err)
	}
	if _, err := s.Product(t.Context(), ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("product: %v, want ErrNotFound", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	// Two stores on one file are what two processes are: each with its own writer.
	stores := []*Store{open(t, path), open(t, path)}
	const workers, each = 8, 20
	var wg sync.WaitGroup
	for w := range workers {
		s := stores[w%len(stores)]
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d/%d", w, i)
				if err := s.PutOrders(t.Context(), &ecommerce.Order{Id: id, Items: []string{"made together"}}); err != nil {
					t.Errorf("put %s: %v", id, err)
					return
				}
				if _, err := s.Order(t.Context(), id); err != nil {
					t.Errorf("an order cannot be read right after it was stored: %s: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	for i, s := range stores {
		if got := len(search(t, s, "made together")); got != workers*each {
			t.Errorf("store %d: %d orders, want %d", i, got, workers*each)
		}
	}
}

func TestAllOrNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	if _, err := s.writer.ExecContext(t.Context(), `CREATE TRIGGER no BEFORE INSERT ON orders WHEN NEW.id = 'bad'
		BEGIN SELECT RAISE(ABORT, 'refused'); END`); err != nil {
		t.Fatal(err)
	}
	err := s.PutOrders(t.Context(), &ecommerce.Order{Id: "1"}, &ecommerce.Order{Id: "2"}, &ecommerce.Order{Id: "bad"})
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatalf("err = %v, want the trigger's", err)
	}
	if _, err := s.Order(t.Context(), "1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("order 1: %v, want ErrNotFound: its batch failed", err)
	}
}

func TestContextEnds(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	ctx, cancel := context.WithCancel(t.Context())
	// Whoever writes holds the only writing connection; a second writer waits no longer than its
	// context.
	tx, err := s.writer.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1) // one result
	go func() { done <- s.PutOrders(ctx, &ecommerce.Order{Id: "1"}) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a write that waited: %v, want context.Canceled", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Order(ctx, "102"); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v, want context.Canceled", err)
	}
	for _, err := range s.SearchOrders(ctx, "") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("search: %v, want context.Canceled", err)
		}
	}
	if _, err := s.Order(t.Context(), "1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a cancelled write was stored: %v", err)
	}
}

func TestDeadlineInterruptsSQLite(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "shop.db"))
	ctx, cancel := context.WithTimeout(t.Context(), 1) // a nanosecond: over before SQLite is asked
	defer cancel()
	<-ctx.Done()
	if err := s.PutOrders(ctx, &ecommerce.Order{Id: "1"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v, want context.DeadlineExceeded", err)
	}
	// A statement that would run for hours ends when its context does.
	ctx, cancel = context.WithCancel(t.Context())
	started := make(chan struct{}) // closed when the first row is there
	go func() { <-started; cancel() }()
	rows, err := s.reader.QueryContext(ctx, `WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT x FROM n`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		if count++; count == 1 {
			close(started)
		}
	}
	if err := classify(ctx, rows.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("after %d rows: %v, want context.Canceled", count, err)
	}
}

func TestTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // where os.MkdirTemp goes, on unix
	s, err := OpenTemporary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.Temporary() {
		t.Error("Temporary() = false")
	}
	if err := s.PutOrders(t.Context(), &ecommerce.Order{Id: "1"}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.Path()); err != nil {
		t.Error(err)
	}
	closeStore(t, s)
	closeStore(t, s) // twice does no harm
	if _, err := os.Stat(filepath.Dir(s.Path())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
	if err := s.PutOrders(t.Context(), &ecommerce.Order{Id: "2"}); err == nil {
		t.Error("a write after Close succeeded")
	}
}
