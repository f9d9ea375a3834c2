package tour

import (
	"context"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/naru-rpc/naru/examples/shop/ecommerce"
)

// steps are the stops, in order.
var steps = []step{
	{
		title: "Unary: one question, one answer",
		text: "A call is an HTTP/2 stream. The headers name the method, five bytes before each message tell " +
			"its length, and headers at the end of the answer, the trailers, bring the status.",
		code: `order, err := orders.GetOrder(ctx, wrapperspb.String("102"))`,
		run:  unary,
	},
	{
		title: "Server streaming: one question, many answers",
		text: "The same frames, with as many messages as there are. Headers that were sent before are " +
			"references into a table now: look at the size of HEADERS.",
		code: `
stream, err := orders.SearchOrders(ctx, wrapperspb.String("Google"))
for order, err := range stream.All() { ... }`,
		run: serverStreaming,
	},
	{
		title: "Client streaming: many messages, one answer",
		text:  "The client ends its half with END_STREAM when it has sent everything; then comes the answer.",
		code: `
stream, err := orders.UpdateOrders(ctx)
err = stream.Send(order) // three times
answer, err := stream.CloseAndRecv()`,
		run: clientStreaming,
	},
	{
		title: "Bidirectional: both talk when they like",
		text: "The shop combines orders into shipments by destination, and sends what it has after every " +
			"third: answers arrive while the client is still asking.",
		code: `
stream, err := orders.ProcessOrders(ctx)
err = stream.Send(id) // three times
shipment, err := stream.Recv() // twice
err = stream.Send(id)
err = stream.CloseSend()
shipment, err = stream.Recv() // until io.EOF`,
		run: bidirectional,
	},
	{
		title: "Metadata: what travels beside the messages",
		text: "Pairs of the program's own go in the headers, both ways, and in the trailers. The value of a key " +
			"that ends in -bin may be any bytes, and is sent as base64.",
		code: `
var header, trailer metadata.MD
order, err := orders.GetOrder(ctx, id,
	naru.WithMetadata("x-request-id", "tour-5", "x-trace-bin", "\x00\xff"),
	naru.CaptureHeader(&header), naru.CaptureTrailer(&trailer))`,
		run: metadataBothWays,
	},
	{
		title: "A rich error: more than a code",
		text: "The shop refuses the order \"-1\". The status has a code and a message, and a " +
			"google.rpc.BadRequest that names the field. An answer without messages is one HEADERS frame.",
		code: `
_, err := orders.AddOrder(ctx, &ecommerce.Order{Id: "-1"})
bad, ok := status.Detail[*errdetails.BadRequest](err)`,
		run: richError,
	},
	{
		title: "A deadline: the call ends when its time is over",
		text: "The time left travels with the call as grpc-timeout, so that server and client give up " +
			"together. Here the client asks for nothing, and waits.",
		code: `
stream, err := orders.ProcessOrders(ctx,
	naru.WithTimeout(100*time.Millisecond))
_, err = stream.Recv()`,
		run: deadline,
	},
	{
		title: "Cancellation: the client has seen enough",
		text: "RST_STREAM ends a stream from either side. The context of the server's handler ends with it, and " +
			"with the context whatever the handler does with it, such as a query.",
		code: `
stream, err := orders.ProcessOrders(ctx)
err = stream.Send(id) // three times
shipment, err := stream.Recv()
cancel()`,
		run: cancellation,
	},
	{
		title: "Compression: when it pays",
		text: "The prefix of a message tells that it is compressed, grpc-encoding how. The message here is the " +
			"same sentence over and over.",
		code: `_, err := orders.AddOrder(ctx, order, naru.WithCompression("gzip"))`,
		run:  compression,
	},
	{
		title: "Two stubs, one connection",
		text: "Stubs share a client, and so its connection: while a stream of OrderManagement is open, calls of " +
			"ProductInfo go beside it.",
		code: `
stream, err := orders.ProcessOrders(ctx)
id, err := products.AddProduct(ctx, product)
product, err := products.GetProduct(ctx, id)
err = stream.CloseSend()`,
		run: twoStubs,
	},
}

func unary(ctx context.Context, g *guide) error {
	order, err := g.orders.GetOrder(ctx, wrapperspb.String("102"))
	if err != nil {
		return err
	}
	g.result("%s", orderText(order))
	return nil
}

func serverStreaming(ctx context.Context, g *guide) error {
	stream, err := g.orders.SearchOrders(ctx, wrapperspb.String("Google"))
	if err != nil {
		return err
	}
	for order, err := range stream.All() {
		if err != nil {
			return err
		}
		g.result("%s", orderText(order))
	}
	return nil
}

func clientStreaming(ctx context.Context, g *guide) error {
	stream, err := g.orders.UpdateOrders(ctx)
	if err != nil {
		return err
	}
	for _, o := range []*ecommerce.Order{
		{Id: "102", Items: []string{"Google Pixel 3A", "Google Pixel Book"}, Destination: "Mountain View, CA", Price: 1100},
		{Id: "103", Items: []string{"Apple Watch S4", "Mac Book Pro", "iPad Pro"}, Destination: "San Jose, CA", Price: 2800},
		{Id: "104", Items: []string{"Google Home Mini", "Google Nest Hub", "iPad Mini"}, Destination: "Mountain View, CA", Price: 2200},
	} {
		if err := stream.Send(o); err != nil {
			return err
		}
	}
	answer, err := stream.CloseAndRecv()
	if err != nil {
		return err
	}
	g.result("%s", answer.GetValue())
	return nil
}

func bidirectional(ctx context.Context, g *guide) error {
	stream, err := g.orders.ProcessOrders(ctx)
	if err != nil {
		return err
	}
	if err := sendIDs(stream, "102", "103", "104"); err != nil {
		return err
	}
	for range 2 {
		if err := g.shipment(stream); err != nil {
			return err
		}
	}
	if err := sendIDs(stream, "105"); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		switch err := g.shipment(stream); err {
		case nil:
		case io.EOF:
			return nil
		default:
			return err
		}
	}
}

func sendIDs(stream ecommerce.OrderManagement_ProcessOrdersClient, ids ...string) error {
	for _, id := range ids {
		if err := stream.Send(wrapperspb.String(id)); err != nil {
			return err
		}
	}
	return nil
}

// shipment receives one and notes it.
func (g *guide) shipment(stream ecommerce.OrderManagement_ProcessOrdersClient) error {
	s, err := stream.Recv()
	if err != nil {
		return err
	}
	var ids []string
	for _, o := range s.GetOrdersList() {
		ids = append(ids, o.GetId())
	}
	g.result("%s: %s  %s", s.GetId(), strings.Join(ids, ", "), s.GetStatus())
	return nil
}

func orderText(o *ecommerce.Order) string {
	return fmt.Sprintf("%s  %s  $%.2f  %s", o.GetId(), strings.Join(o.GetItems(), ", "), o.GetPrice(), o.GetDestination())
}
