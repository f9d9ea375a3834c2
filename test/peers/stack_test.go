package peers

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"google.golang.org/protobuf/proto"
)

// A stack is one implementation of gRPC: a server of the shop and a client for it. Both end with
// the test.
type stack struct {
	name  string
	serve func(t *testing.T, lis net.Listener, security *tls.Config, shop *store.Store)
	dial  func(t *testing.T, addr string, security *tls.Config) shopClient
}

var stacks = []stack{naruStack, grpcGoStack, connectStack}

// A shopClient is a client of the shop in terms that no stack has for itself.
type shopClient interface {
	addProduct(context.Context, *ecommerce.Product) (id string, err error)
	getProduct(ctx context.Context, id string) (*ecommerce.Product, error)
	addOrder(context.Context, *ecommerce.Order) (string, error)
	getOrder(ctx context.Context, id string) (*ecommerce.Order, error)
	searchOrders(ctx context.Context, query string) ([]*ecommerce.Order, error)
	updateOrders(context.Context, ...*ecommerce.Order) (string, error)
	processOrders(context.Context) (processStream, error)
	// outcome takes an error of this client apart.
	outcome(error) outcome
}

// A processStream is a call of processOrders under way.
type processStream interface {
	send(id string) error
	closeSend() error
	recv() (*ecommerce.CombinedShipment, error)
}

// An outcome is what a call's error says.
type outcome struct {
	code    codes.Code
	message string
	details []proto.Message
}

// forEachPair runs body with every client against every server, in plaintext and over TLS.
// Pairs without naru are run too: they show that it is not the body that fails.
func forEachPair(t *testing.T, body func(t *testing.T, c shopClient)) {
	server, client := testTLS(t)
	for _, s := range append(slices.Clone(stacks), mountedStack) {
		for _, c := range stacks {
			t.Run(c.name+" client, "+s.name+" server", func(t *testing.T) {
				t.Run("plaintext", func(t *testing.T) { body(t, connectPair(t, s, c, nil, nil)) })
				t.Run("TLS", func(t *testing.T) { body(t, connectPair(t, s, c, server, client)) })
			})
		}
	}
}

func connectPair(t *testing.T, s, c stack, server, client *tls.Config) shopClient {
	t.Helper()
	lis, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, lis, server, openShop(t))
	return c.dial(t, lis.Addr().String(), client)
}

func openShop(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.OpenTemporary(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return st
}

// testTLS returns configurations of a server on localhost and a client that trusts it.
func testTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	ca, err := devcert.NewAuthority("peers", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	if err != nil {
		t.Fatal(err)
	}
	return cert.ServerConfig(), ca.ClientConfig()
}

// within returns a context that ends the test's calls before go test's own limit would.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
