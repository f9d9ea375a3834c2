package peers

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	narustatus "github.com/naru-rpc/naru/status"
	"github.com/naru-rpc/naru/test/internal/ecommercegrpc"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var grpcGoStack = stack{
	name: "grpc-go",
	serve: func(t *testing.T, lis net.Listener, security *tls.Config, st *store.Store) {
		srv := newGRPCGoServer(security)
		registerGRPCGoShop(srv, st)
		serveGRPCGo(t, srv, lis)
	},
	dial: func(t *testing.T, addr string, security *tls.Config) shopClient {
		return newGRPCGoShop(dialGRPCGo(t, addr, security))
	},
}

func newGRPCGoServer(security *tls.Config) *grpc.Server {
	if security == nil {
		return grpc.NewServer()
	}
	return grpc.NewServer(grpc.Creds(credentials.NewTLS(security)))
}

func registerGRPCGoShop(srv grpc.ServiceRegistrar, st *store.Store) {
	ecommercegrpc.RegisterProductInfoServer(srv, grpcGoProducts{shop.NewCatalogue(st)})
	ecommercegrpc.RegisterOrderManagementServer(srv, grpcGoOrders{shop.NewOrders(st)})
}

// serveGRPCGo serves until the test ends.
func serveGRPCGo(t *testing.T, srv *grpc.Server, lis net.Listener) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		<-ended
	})
}

func dialGRPCGo(t *testing.T, target string, security *tls.Config, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	creds := insecure.NewCredentials()
	if security != nil {
		creds = credentials.NewTLS(security)
	}
	cc, err := grpc.NewClient(target, append(opts, grpc.WithTransportCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// toGRPCGo turns an error of the shop into one that grpc-go puts on the wire with its details.
func toGRPCGo(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var pb statuspb.Status
	if uerr := proto.Unmarshal(narustatus.Convert(err).AppendWire(nil), &pb); uerr != nil {
		return uerr
	}
	return status.ErrorProto(&pb)
}

type grpcGoProducts struct{ catalogue *shop.Catalogue }

func (s grpcGoProducts) AddProduct(ctx context.Context, p *ecommerce.Product) (*ecommerce.ProductID, error) {
	id, err := s.catalogue.Add(ctx, p)
	if err != nil {
		return nil, toGRPCGo(err)
	}
	return &ecommerce.ProductID{Value: id}, nil
}

func (s grpcGoProducts) GetProduct(ctx context.Context, id *ecommerce.ProductID) (*ecommerce.Product, error) {
	p, err := s.catalogue.Get(ctx, id.Value)
	return p, toGRPCGo(err)
}

type grpcGoOrders struct{ orders *shop.Orders }

func (s grpcGoOrders) AddOrder(ctx context.Context, o *ecommerce.Order) (*wrapperspb.StringValue, error) {
	answer, err := s.orders.Add(ctx, o)
	return wrapperspb.String(answer), toGRPCGo(err)
}

func (s grpcGoOrders) GetOrder(ctx context.Context, id *wrapperspb.StringValue) (*ecommerce.Order, error) {
	o, err := s.orders.Get(ctx, id.Value)
	return o, toGRPCGo(err)
}

func (s grpcGoOrders) SearchOrders(query *wrapperspb.StringValue, stream grpc.ServerStreamingServer[ecommerce.Order]) error {
	return toGRPCGo(s.orders.Search(stream.Context(), query.Value, stream.Send))
}

func (s grpcGoOrders) UpdateOrders(stream grpc.ClientStreamingServer[ecommerce.Order, wrapperspb.StringValue]) error {
	answer, err := s.orders.Update(stream.Context(), stream.Recv)
	if err != nil {
		return toGRPCGo(err)
	}
	return stream.SendAndClose(wrapperspb.String(answer))
}

func (s grpcGoOrders) ProcessOrders(stream grpc.BidiStreamingServer[wrapperspb.StringValue, ecommerce.CombinedShipment]) error {
	return toGRPCGo(s.orders.Process(stream.Context(), stream.Recv, stream.Send))
}

type grpcGoShop struct {
	products ecommercegrpc.ProductInfoClient
	orders   ecommercegrpc.OrderManagementClient
}

func newGRPCGoShop(cc grpc.ClientConnInterface) *grpcGoShop {
	return &grpcGoShop{ecommercegrpc.NewProductInfoClient(cc), ecommercegrpc.NewOrderManagementClient(cc)}
}

func (s *grpcGoShop) addProduct(ctx context.Context, p *ecommerce.Product) (string, error) {
	id, err := s.products.AddProduct(ctx, p)
	return id.GetValue(), err
}

func (s *grpcGoShop) getProduct(ctx context.Context, id string) (*ecommerce.Product, error) {
	return s.products.GetProduct(ctx, &ecommerce.ProductID{Value: id})
}

func (s *grpcGoShop) addOrder(ctx context.Context, o *ecommerce.Order) (string, error) {
	res, err := s.orders.AddOrder(ctx, o)
	return res.GetValue(), err
}

func (s *grpcGoShop) getOrder(ctx context.Context, id string) (*ecommerce.Order, error) {
	return s.orders.GetOrder(ctx, wrapperspb.String(id))
}

func (s *grpcGoShop) searchOrders(ctx context.Context, query string) (found []*ecommerce.Order, err error) {
	stream, err := s.orders.SearchOrders(ctx, wrapperspb.String(query))
	if err != nil {
		return nil, err
	}
	for {
		o, err := stream.Recv()
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		found = append(found, o)
	}
}

func (s *grpcGoShop) updateOrders(ctx context.Context, orders ...*ecommerce.Order) (string, error) {
	stream, err := s.orders.UpdateOrders(ctx)
	if err != nil {
		return "", err
	}
	for _, o := range orders {
		if stream.Send(o) != nil {
			break // CloseAndRecv says why
		}
	}
	res, err := stream.CloseAndRecv()
	return res.GetValue(), err
}

func (s *grpcGoShop) processOrders(ctx context.Context) (processStream, error) {
	stream, err := s.orders.ProcessOrders(ctx)
	return grpcGoProcess{stream}, err
}

func (s *grpcGoShop) outcome(err error) outcome {
	st := status.Convert(err)
	o := outcome{code: codes.Code(st.Code()), message: st.Message()}
	for _, d := range st.Details() {
		if m, ok := d.(proto.Message); ok {
			o.details = append(o.details, m)
		}
	}
	return o
}

type grpcGoProcess struct {
	stream grpc.BidiStreamingClient[wrapperspb.StringValue, ecommerce.CombinedShipment]
}

func (p grpcGoProcess) send(id string) error                       { return p.stream.Send(wrapperspb.String(id)) }
func (p grpcGoProcess) closeSend() error                           { return p.stream.CloseSend() }
func (p grpcGoProcess) recv() (*ecommerce.CombinedShipment, error) { return p.stream.Recv() }
