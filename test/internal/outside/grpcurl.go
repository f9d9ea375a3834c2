package outside

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// GRPCurl runs grpcurl against the shop, which it knows nothing of but what reflection tells it.
// The shop serves one version of reflection at a time, so that each is really used.
func GRPCurl(ctx context.Context, t *Tree) []*Result {
	return []*Result{
		t.grpcurl(ctx, "v1", false),
		t.grpcurl(ctx, "v1alpha", false),
		t.grpcurl(ctx, "v1", true),
	}
}

// A curl is one run of grpcurl: arguments before the address and after it, and what its output
// must contain, piece by piece in this order.
type curl struct {
	before, after []string
	want          []string
	fails         bool // it must exit with an error
}

// curls build on each other: the order that one adds, the next one finds.
func curls(reflection string) []curl {
	const orders, products = "ecommerce.OrderManagement", "ecommerce.ProductInfo"
	return []curl{
		{after: []string{"list"}, want: []string{orders, products, "grpc.health.v1.Health", "grpc.reflection." + reflection + ".ServerReflection"}},
		{after: []string{"list", orders}, want: []string{orders + ".addOrder", orders + ".getOrder", orders + ".processOrders", orders + ".searchOrders", orders + ".updateOrders"}},
		{after: []string{"list", products}, want: []string{products + ".addProduct", products + ".getProduct"}},
		{after: []string{"describe", products}, want: []string{"service ProductInfo {", "rpc addProduct ( .ecommerce.Product ) returns ( .ecommerce.ProductID );", "rpc getProduct"}},
		{after: []string{"describe", orders + ".processOrders"}, want: []string{"rpc processOrders ( stream .google.protobuf.StringValue ) returns ( stream .ecommerce.CombinedShipment );"}},
		{after: []string{"describe", "ecommerce.CombinedShipment"}, want: []string{"string id = 1;", "string status = 2;", "repeated .ecommerce.Order ordersList = 3;"}},
		{after: []string{"describe", "google.protobuf.StringValue"}, want: []string{"string value = 1;"}},
		{before: data(`{"name":"Lamp","description":"A lamp","price":12.5}`), after: []string{products + "/addProduct"}, want: []string{`"value"`}},
		{before: data(`{"value":"no-such-product"}`), after: []string{products + "/getProduct"}, want: []string{"Code: NotFound", "no-such-product"}, fails: true},
		{before: data(`{"id":"curl-1","items":["Teapot","Tray"],"description":"d","price":40,"destination":"Seoul"}`), after: []string{orders + "/addOrder"}, want: []string{"curl-1"}},
		{before: data(`{"id":"-1"}`), after: []string{orders + "/addOrder"}, want: []string{"Code: InvalidArgument", "Details:", "google.rpc.BadRequest"}, fails: true},
		{before: data(`"curl-1"`), after: []string{orders + "/getOrder"}, want: []string{`"id": "curl-1"`, `"Teapot"`, `"destination": "Seoul"`}},
		{before: data(`{"id":"curl-1","items":["Teapot"],"price":41,"destination":"Seoul"} {"id":"curl-2","items":["Teapot"],"price":1,"destination":"Busan"}`), after: []string{orders + "/updateOrders"}, want: []string{"curl-1", "curl-2"}},
		{before: data(`"Teapot"`), after: []string{orders + "/searchOrders"}, want: []string{`"id": "curl-1"`, `"id": "curl-2"`}},
		{before: data(`"curl-1" "curl-2" "curl-1"`), after: []string{orders + "/processOrders"}, want: []string{`"ordersList"`, `"ordersList"`}},
		{before: data(`{}`), after: []string{"grpc.health.v1.Health/Check"}, want: []string{`"status": "SERVING"`}},
	}
}

func data(json string) []string { return []string{"-d", json} }

func (t *Tree) grpcurl(ctx context.Context, reflection string, tls bool) *Result {
	r := &Result{Suite: "grpcurl v1.9.4", Role: "naru server, reflection " + reflection + ", plaintext"}
	serverArgs, curlArgs := []string{"--port={port}", "--reflection=" + reflection}, []string{"-plaintext"}
	if tls {
		r.Role = "naru server, reflection " + reflection + ", TLS"
		serverArgs, curlArgs = append(serverArgs, "--tls"), []string{"-insecure"}
	}
	if r.Err = t.build(ctx, "grpcurl", "shopserver"); r.Err != nil {
		return r
	}
	fmt.Fprintf(t.Log, "grpcurl, %s\n", r.Role)
	began := time.Now()
	server, err := t.start(ctx, "shopserver", serverArgs...)
	if err != nil {
		r.Err = err
		return r
	}
	defer server.Stop()
	for _, c := range curls(reflection) {
		args := append(append(append([]string{"-max-time", "20"}, curlArgs...), c.before...), "localhost:"+strconv.Itoa(server.Port))
		out, err := t.run(ctx, "grpcurl", append(args, c.after...)...)
		if problem := c.check(out, err); problem != "" {
			r.fail("grpcurl %s: %s\n%s", strings.Join(append(args, c.after...), " "), problem, tail(out, 2000))
			continue
		}
		r.Passed++
	}
	r.Took = time.Since(began)
	r.Err = server.Alive()
	return r
}

// check returns what is wrong with a run, or "".
func (c *curl) check(out string, err error) string {
	if (err != nil) != c.fails {
		return fmt.Sprintf("exit: %v, want an error: %v", err, c.fails)
	}
	rest := out
	for _, piece := range c.want {
		_, after, found := strings.Cut(rest, piece)
		if !found {
			return fmt.Sprintf("%q is missing, or not where it should be", piece)
		}
		rest = after
	}
	return ""
}
