package tour

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

func metadataBothWays(ctx context.Context, g *guide) error {
	var header, trailer metadata.MD
	_, err := g.orders.GetOrder(ctx, wrapperspb.String("105"),
		naru.WithMetadata("x-request-id", "tour-5", "x-trace-bin", "\x00\xff"),
		naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))
	if err != nil {
		return err
	}
	g.result("header   x-request-id: %s", strings.Join(header.Get("x-request-id"), ", "))
	g.result("trailer  x-served-by: %s", strings.Join(trailer.Get("x-served-by"), ", "))
	return nil
}

func richError(ctx context.Context, g *guide) error {
	_, err := g.orders.AddOrder(ctx, &ecommerce.Order{Id: "-1"})
	if err := expect(err, codes.InvalidArgument); err != nil {
		return err
	}
	bad, ok := status.Detail[*errdetails.BadRequest](err)
	if !ok {
		return fmt.Errorf("no google.rpc.BadRequest came with: %w", err)
	}
	g.result("%v", err)
	for _, v := range bad.GetFieldViolations() {
		g.result("field %q %s", v.GetField(), v.GetDescription())
	}
	return nil
}

func deadline(ctx context.Context, g *guide) error {
	g.witness.forget()
	stream, err := g.orders.ProcessOrders(ctx, naru.WithTimeout(100*time.Millisecond))
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	if err := expect(err, codes.DeadlineExceeded); err != nil {
		return err
	}
	g.result("client: %v", err)
	// Which of the two its context says depends on what came first: its deadline or the client's
	// RST_STREAM.
	return g.handlerEnded(ctx, context.DeadlineExceeded, context.Canceled)
}

// handlerEnded waits for the end of processOrders on the server, and notes what its context said:
// one of the errors that are expected.
func (g *guide) handlerEnded(ctx context.Context, expected ...error) error {
	seen, err := g.witness.wait(ctx, "processOrders")
	if err != nil {
		return err
	}
	if !slices.Contains(expected, seen) {
		return fmt.Errorf("the context of the server's handler said %v, want %v", seen, expected)
	}
	g.result("server: the handler ended, its context said %q", seen)
	return nil
}

func cancellation(ctx context.Context, g *guide) error {
	g.witness.forget()
	callCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := g.orders.ProcessOrders(callCtx)
	if err != nil {
		return err
	}
	if err := sendIDs(stream, "104", "105", "106"); err != nil {
		return err
	}
	for range 2 { // all of the batch, so that what follows is the cancellation and nothing else
		if err := g.shipment(stream); err != nil {
			return err
		}
	}
	cancel()
	_, err = stream.Recv()
	if err := expect(err, codes.Canceled); err != nil {
		return err
	}
	g.result("client: %v", err)
	return g.handlerEnded(ctx, context.Canceled)
}

func compression(ctx context.Context, g *guide) error {
	order := &ecommerce.Order{
		Id: "107", Items: []string{"Amazon Echo"}, Destination: "San Jose, CA", Price: 30,
		Description: strings.Repeat("Please leave it with the neighbours. ", 80),
	}
	answer, err := g.orders.AddOrder(ctx, order, naru.WithCompression("gzip"))
	if err != nil {
		return err
	}
	g.result("%s (the order has %s)", answer.GetValue(), count(proto.Size(order), "byte"))
	return nil
}

func twoStubs(ctx context.Context, g *guide) error {
	stream, err := g.orders.ProcessOrders(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := sendIDs(stream, "105"); err != nil {
		return err
	}
	id, err := g.products.AddProduct(ctx, &ecommerce.Product{Name: "Apple iPhone 11", Price: 699})
	if err != nil {
		return err
	}
	product, err := g.products.GetProduct(ctx, id)
	if err != nil {
		return err
	}
	g.result("%s  $%.2f  (id %s)", product.GetName(), product.GetPrice(), product.GetId())
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := g.shipment(stream); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("the stream ended with %w, not with io.EOF", err)
	}
	return nil
}

// expect returns an error unless err has that code.
func expect(err error, want codes.Code) error {
	switch got := status.Code(err); {
	case got == want:
		return nil
	case err == nil:
		return fmt.Errorf("the call succeeded, want %v", want)
	default:
		return fmt.Errorf("the call failed with %v, want %v: %w", got, want, err)
	}
}
