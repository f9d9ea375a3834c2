package shop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/status"
)

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.OpenTemporary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// stream returns a receiving function that yields items, then err.
func stream[T any](err error, items ...T) func() (T, error) {
	return func() (T, error) {
		if len(items) == 0 {
			var none T
			return none, err
		}
		item := items[0]
		items = items[1:]
		return item, nil
	}
}

func idStream(err error, ids ...string) func() (*wrapperspb.StringValue, error) {
	var values []*wrapperspb.StringValue
	for _, id := range ids {
		values = append(values, wrapperspb.String(id))
	}
	return stream(err, values...)
}

// shipment writes a shipment as "destination: ids".
func shipment(s *ecommerce.CombinedShipment) string {
	var ids []string
	for _, o := range s.GetOrdersList() {
		ids = append(ids, o.GetId())
	}
	return fmt.Sprintf("%s (%s): %s", s.GetId(), s.GetStatus(), strings.Join(ids, " "))
}

func TestProcessBatches(t *testing.T) {
	orders := shop.NewOrders(openStore(t))
	for _, c := range []struct {
		name string
		ids  []string
		want []string
	}{
		{"nothing", nil, nil},
		{"fewer than a batch: at the end of the stream", []string{"102", "103"}, []string{
			"cmb - Mountain View, CA (Processed!): 102",
			"cmb - San Jose, CA (Processed!): 103",
		}},
		{"a batch by destination", []string{"102", "103", "104"}, []string{
			"cmb - Mountain View, CA (Processed!): 102 104",
			"cmb - San Jose, CA (Processed!): 103",
		}},
		{"each batch for itself", []string{"102", "103", "104", "106", "105"}, []string{
			"cmb - Mountain View, CA (Processed!): 102 104",
			"cmb - San Jose, CA (Processed!): 103",
			"cmb - Mountain View, CA (Processed!): 106",
			"cmb - San Jose, CA (Processed!): 105",
		}},
		{"an id twice", []string{"105", "105", "105"}, []string{
			"cmb - San Jose, CA (Processed!): 105 105 105",
		}},
		{"unknown ids count and do not fail", []string{"999", "105", "", "102"}, []string{
			"unknown (There are no orders with these ids): 999 ",
			"cmb - San Jose, CA (Processed!): 105",
			"cmb - Mountain View, CA (Processed!): 102",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			err := orders.Process(t.Context(), idStream(io.EOF, c.ids...), func(s *ecommerce.CombinedShipment) error {
				got = append(got, shipment(s))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// TestProcessSendsDuringTheStream: a batch is sent when its third id came, not when the next is
// asked for.
func TestProcessSendsDuringTheStream(t *testing.T) {
	orders := shop.NewOrders(openStore(t))
	next := idStream(io.EOF, "102", "103", "105", "106")
	received, sent := 0, 0
	recv := func() (*wrapperspb.StringValue, error) {
		if received == 3 && sent != 2 {
			t.Errorf("the fourth id is asked for when %d shipments were sent, want 2", sent)
		}
		received++
		return next()
	}
	err := orders.Process(t.Context(), recv, func(*ecommerce.CombinedShipment) error { sent++; return nil })
	if err != nil || sent != 3 {
		t.Errorf("%d shipments, %v, want 3", sent, err)
	}
}

func TestStreamErrorsPass(t *testing.T) {
	orders := shop.NewOrders(openStore(t))
	broken := errors.New("the connection broke")
	fail := func(*ecommerce.CombinedShipment) error { return broken }
	if err := orders.Process(t.Context(), idStream(broken, "102"), nil); err != broken {
		t.Errorf("receiving failed: %v", err)
	}
	if err := orders.Process(t.Context(), idStream(io.EOF, "102", "103", "104"), fail); err != broken {
		t.Errorf("sending a full batch failed: %v", err)
	}
	if err := orders.Process(t.Context(), idStream(io.EOF, "102"), fail); err != broken {
		t.Errorf("sending the rest failed: %v", err)
	}
	sends := 0
	err := orders.Search(t.Context(), "Google", func(*ecommerce.Order) error { sends++; return broken })
	if err != broken || sends != 1 {
		t.Errorf("sending a search result failed: %v after %d, want it to stop at the first", err, sends)
	}
	if _, err := orders.Update(t.Context(), stream(broken, &ecommerce.Order{Id: "u"})); err != broken {
		t.Errorf("receiving an update failed: %v", err)
	}
	if _, err := orders.Get(t.Context(), "u"); status.Code(err) != codes.NotFound {
		t.Errorf("an order of a broken update: %v, want NOT_FOUND: nothing was stored", err)
	}
}

func TestUpdate(t *testing.T) {
	orders := shop.NewOrders(openStore(t))
	answer, err := orders.Update(t.Context(), stream(io.EOF,
		&ecommerce.Order{Id: "102", Items: []string{"Google Pixel 3A", "Google Pixel Book"}, Price: 1100},
		&ecommerce.Order{Id: "new", Items: []string{"Apple Watch S4"}},
	))
	if err != nil || answer != "Updated Order IDs: 102, new" {
		t.Errorf("answer %q, %v", answer, err)
	}
	o, err := orders.Get(t.Context(), "102")
	if err != nil || o.GetPrice() != 1100 || o.GetDestination() != "" {
		t.Errorf("order 102 is %v, %v, want the new one and nothing of the old", o, err)
	}
	if answer, err := orders.Update(t.Context(), stream[*ecommerce.Order](io.EOF)); err != nil || answer != "No orders were sent" {
		t.Errorf("an empty update: %q, %v", answer, err)
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	orders := shop.NewOrders(openStore(t))
	_, err := orders.Update(t.Context(), stream(io.EOF, &ecommerce.Order{Id: "good"}, &ecommerce.Order{Id: "-1"}))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("err = %v, want INVALID_ARGUMENT", err)
	}
	endless := func() (*ecommerce.Order, error) {
		return &ecommerce.Order{Id: "big", Description: strings.Repeat("x", 4096)}, nil
	}
	if _, err := orders.Update(t.Context(), endless); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("an endless update: %v, want RESOURCE_EXHAUSTED", err)
	}
	tiny := func() (*ecommerce.Order, error) { return &ecommerce.Order{Id: "tiny"}, nil }
	if _, err := orders.Update(t.Context(), tiny); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("an endless update of tiny orders: %v, want RESOURCE_EXHAUSTED", err)
	}
	for _, id := range []string{"good", "big", "tiny"} {
		if _, err := orders.Get(t.Context(), id); status.Code(err) != codes.NotFound {
			t.Errorf("order %s of a failed update: %v, want NOT_FOUND", id, err)
		}
	}
}

func TestInvalid(t *testing.T) {
	st := openStore(t)
	orders, catalogue := shop.NewOrders(st), shop.NewCatalogue(st)
	order := func(o *ecommerce.Order) error { _, err := orders.Add(t.Context(), o); return err }
	product := func(p *ecommerce.Product) error { _, err := catalogue.Add(t.Context(), p); return err }
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name   string
		err    error
		fields string
	}{
		{"minus one", order(&ecommerce.Order{Id: "-1"}), "id"},
		{"no id", order(&ecommerce.Order{}), "id"},
		{"NUL", order(&ecommerce.Order{Id: "1", Items: []string{"ok", "a\x00b"}}), "items[1]"},
		{"price", order(&ecommerce.Order{Id: "1", Price: float32(math.NaN())}), "price"},
		{"many", order(&ecommerce.Order{Id: "1", Items: make([]string, 101)}), "items"},
		{"everything", order(&ecommerce.Order{Id: long, Items: []string{long}, Description: long, Price: -1, Destination: long}),
			"id items[0] description price destination"},
		{"no name", product(&ecommerce.Product{Price: float32(math.Inf(1))}), "name price"},
		{"long product", product(&ecommerce.Product{Name: long, Description: long}), "name description"},
	} {
		bad, ok := status.Detail[*errdetails.BadRequest](c.err)
		if status.Code(c.err) != codes.InvalidArgument || !ok {
			t.Errorf("%s: %v, want INVALID_ARGUMENT with a BadRequest", c.name, c.err)
			continue
		}
		var fields []string
		for _, v := range bad.GetFieldViolations() {
			fields = append(fields, v.GetField())
			if v.GetDescription() == "" {
				t.Errorf("%s: field %s is wrong without a word why", c.name, v.GetField())
			}
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s: fields %q, want %q", c.name, got, c.fields)
		}
		if len(status.Convert(c.err).Message()) > 200 {
			t.Errorf("%s: the message repeats what was too long: %v", c.name, c.err)
		}
	}
}

func TestStoreErrors(t *testing.T) {
	st := openStore(t)
	orders, catalogue := shop.NewOrders(st), shop.NewCatalogue(st)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), testStart)
	defer cancelLate()
	every := func(ctx context.Context) map[string]error {
		_, add := orders.Add(ctx, &ecommerce.Order{Id: "1"})
		_, get := orders.Get(ctx, "102")
		search := orders.Search(ctx, "", func(*ecommerce.Order) error { return nil })
		_, update := orders.Update(ctx, stream(io.EOF, &ecommerce.Order{Id: "1"}))
		process := orders.Process(ctx, idStream(io.EOF, "102"), nil)
		_, addProduct := catalogue.Add(ctx, &ecommerce.Product{Name: "x"})
		_, getProduct := catalogue.Get(ctx, "x")
		return map[string]error{"add": add, "get": get, "search": search, "update": update,
			"process": process, "add product": addProduct, "get product": getProduct}
	}
	for name, err := range every(ctx) {
		if status.Code(err) != codes.Canceled || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v, want CANCELLED", name, err)
		}
	}
	for name, err := range every(late) {
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%s after its deadline: %v, want DEADLINE_EXCEEDED", name, err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range every(t.Context()) {
		if s := status.Convert(err); s.Code() != codes.Internal || strings.Contains(s.Message(), "sql") {
			t.Errorf("%s on a closed store: %v, want INTERNAL without the database's words", name, err)
		}
	}
}

func TestUnknownIDs(t *testing.T) {
	st := openStore(t)
	if _, err := shop.NewOrders(st).Get(t.Context(), "no\nsuch"); status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), `"no\nsuch"`) {
		t.Errorf("order: %v, want NOT_FOUND with the id quoted", err)
	}
	if _, err := shop.NewCatalogue(st).Get(t.Context(), "7"); status.Code(err) != codes.NotFound {
		t.Errorf("product: %v, want NOT_FOUND", err)
	}
}
