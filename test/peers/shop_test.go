package peers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/testing/protocmp"
)

// endOf turns connect-go's wrapped io.EOF into io.EOF itself.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	return err
}

// endOr returns err, or io.EOF for nil: what "no more" means to iterators.
func endOr(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

func TestShop(t *testing.T) { forEachPair(t, testShop) }

var (
	foreignServer = flag.String("shop-server", "", "`address` of a shop served by another program, for TestForeignServer")
	foreignCA     = flag.String("shop-ca", "", "PEM `file` with the CA of that server; none: plaintext")
)

// TestForeignServer runs the same body with naru's client against a shop in another language.
func TestForeignServer(t *testing.T) {
	if *foreignServer == "" {
		t.Skip("no -shop-server; \"go run ./cmd/outside -suites python,node,cpp\" gives one")
	}
	var security *tls.Config
	if *foreignCA != "" {
		pem, err := os.ReadFile(*foreignCA)
		if err != nil {
			t.Fatal(err)
		}
		security = &tls.Config{RootCAs: x509.NewCertPool()}
		if !security.RootCAs.AppendCertsFromPEM(pem) {
			t.Fatalf("no certificate in %s", *foreignCA)
		}
	}
	testShop(t, naruStack.dial(t, *foreignServer, security))
}

func testShop(t *testing.T, c shopClient) {
	t.Run("products", func(t *testing.T) { testProducts(t, c) })
	t.Run("rich error", func(t *testing.T) { testRichError(t, c) })
	t.Run("orders", func(t *testing.T) { testOrders(t, c) })
	t.Run("process orders", func(t *testing.T) { testProcess(t, c) })
	t.Run("deadline", func(t *testing.T) { testDeadline(t, c) })
	t.Run("cancel", func(t *testing.T) { testCancel(t, c) })
	t.Run("large", func(t *testing.T) { testLarge(t, c) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, c) })
}

func testProducts(t *testing.T, c shopClient) {
	ctx := within(t, 20*time.Second)
	want := &ecommerce.Product{Name: "Samsung S10", Description: "어떤 전화기", Price: 700.5}
	id, err := c.addProduct(ctx, want)
	if err != nil {
		t.Fatalf("addProduct: %v", err)
	}
	want.Id = id
	got, err := c.getProduct(ctx, id)
	if err != nil {
		t.Fatalf("getProduct: %v", err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the product came back changed (-sent +got):\n%s", diff)
	}
	_, err = c.getProduct(ctx, "no such id: 없음")
	if o := c.outcome(err); o.code != codes.NotFound || !strings.Contains(o.message, "없음") {
		t.Errorf("getProduct of an unknown id: got %v %q, want NOT_FOUND and the id in the message", o.code, o.message)
	}
}

func testRichError(t *testing.T, c shopClient) {
	_, err := c.addOrder(within(t, 20*time.Second), &ecommerce.Order{Id: "-1"})
	o := c.outcome(err)
	if o.code != codes.InvalidArgument {
		t.Fatalf("addOrder of -1: got %v %q, want INVALID_ARGUMENT", o.code, o.message)
	}
	if len(o.details) != 1 {
		t.Fatalf("addOrder of -1: %d details, want a BadRequest: %v", len(o.details), o.details)
	}
	bad, ok := o.details[0].(*errdetails.BadRequest)
	if !ok || len(bad.FieldViolations) == 0 || bad.FieldViolations[0].Field != "id" {
		t.Errorf("addOrder of -1: detail %T %v, want a BadRequest about field id", o.details[0], o.details[0])
	}
}

func testOrders(t *testing.T, c shopClient) {
	ctx := within(t, 20*time.Second)
	want := &ecommerce.Order{Id: "p-1", Items: []string{"Celadon vase", "Box"}, Description: "d", Price: 30, Destination: "Busan"}
	if _, err := c.addOrder(ctx, want); err != nil {
		t.Fatalf("addOrder: %v", err)
	}
	got, err := c.getOrder(ctx, "p-1")
	if err != nil {
		t.Fatalf("getOrder: %v", err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("the order came back changed (-sent +got):\n%s", diff)
	}
	answer, err := c.updateOrders(ctx,
		&ecommerce.Order{Id: "p-2", Items: []string{"Celadon bowl"}, Destination: "Busan"},
		&ecommerce.Order{Id: "p-3", Items: []string{"Celadon cup"}, Destination: "Jeju"})
	if err != nil {
		t.Fatalf("updateOrders: %v", err)
	}
	if !strings.Contains(answer, "p-2") || !strings.Contains(answer, "p-3") {
		t.Errorf("updateOrders answered %q, want both ids in it", answer)
	}
	if _, err := c.updateOrders(ctx); err != nil {
		t.Errorf("updateOrders without a message: %v, want an answer", err)
	}
	found, err := c.searchOrders(ctx, "Celadon")
	if err != nil {
		t.Fatalf("searchOrders: %v", err)
	}
	if ids := idsOf(found); ids != "p-1 p-2 p-3" {
		t.Errorf("searchOrders found %q, want p-1 p-2 p-3", ids)
	}
	if found, err = c.searchOrders(ctx, "nothing has this"); err != nil || len(found) != 0 {
		t.Errorf("searchOrders for nothing: %d orders, %v; want none and no error", len(found), err)
	}
}

// testProcess wants the answers of a batch before the next batch is sent: both directions live at
// the same time.
func testProcess(t *testing.T, c shopClient) {
	stream, err := c.processOrders(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, id := range []string{"102", "103", "104"} {
			if err := stream.send(id); err != nil {
				t.Fatalf("send %s: %v", id, err)
			}
		}
		wantShipment(t, stream, "102 104")
		wantShipment(t, stream, "103")
	}
	if err := stream.send("105"); err != nil {
		t.Fatal(err)
	}
	if err := stream.closeSend(); err != nil {
		t.Fatal(err)
	}
	wantShipment(t, stream, "105")
	if s, err := stream.recv(); err != io.EOF {
		t.Errorf("after the last shipment: got %v, %v; want the end", s, err)
	}
}

func wantShipment(t *testing.T, stream processStream, ids string) {
	t.Helper()
	s, err := stream.recv()
	if err != nil {
		t.Fatalf("waiting for the shipment of %s: %v", ids, err)
	}
	if got := idsOf(s.OrdersList); got != ids {
		t.Errorf("shipment of %q, want %q", got, ids)
	}
}

func idsOf(orders []*ecommerce.Order) string {
	var ids []string
	for _, o := range orders {
		ids = append(ids, o.Id)
	}
	return strings.Join(ids, " ")
}

func testDeadline(t *testing.T, c shopClient) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	stream, err := c.processOrders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.send("102"); err != nil {
		t.Fatal(err)
	}
	_, err = stream.recv() // nothing comes before a third id
	if o := c.outcome(err); o.code != codes.DeadlineExceeded {
		t.Errorf("a stream past its deadline: got %v (%v), want DEADLINE_EXCEEDED", o.code, err)
	}
}

func testCancel(t *testing.T, c shopClient) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := c.processOrders(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"103", "103", "103"} {
		if err := stream.send(id); err != nil {
			t.Fatal(err)
		}
	}
	wantShipment(t, stream, "103 103 103")
	cancel()
	_, err = stream.recv()
	if o := c.outcome(err); o.code != codes.Canceled {
		t.Errorf("a cancelled stream: got %v (%v), want CANCELLED", o.code, err)
	}
}

// testLarge moves more than any flow-control window starts with, both ways.
func testLarge(t *testing.T, c shopClient) {
	ctx := within(t, 30*time.Second)
	want := make([]*ecommerce.Order, 300)
	for i := range want {
		want[i] = &ecommerce.Order{
			Id: fmt.Sprintf("large-%03d", i), Items: []string{"Heavy stone"}, Destination: "Daegu",
			Description: strings.Repeat(string(rune('a'+i%26)), 4096),
		}
	}
	if _, err := c.updateOrders(ctx, want...); err != nil {
		t.Fatalf("updateOrders: %s", outcomeOf(c, err))
	}
	got, err := c.searchOrders(ctx, "Heavy stone")
	if err != nil {
		t.Fatalf("searchOrders: %s", outcomeOf(c, err))
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("1.2 MB of orders came back changed (-sent +got):\n%s", diff)
	}
}

func outcomeOf(c shopClient, err error) string {
	o := c.outcome(err)
	return fmt.Sprintf("%v %q %v", o.code, o.message, o.details)
}

func testConcurrent(t *testing.T, c shopClient) {
	ctx := within(t, 30*time.Second)
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			if o, err := c.getOrder(ctx, "105"); err != nil || o.Destination != "San Jose, CA" {
				t.Errorf("getOrder: %v, %v", o, err)
			}
		})
	}
	calls.Wait()
}
