package peers

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/ecommerce"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// connectStack is connect-go speaking gRPC, on net/http's HTTP/2.
var connectStack = stack{
	name: "connect-go",
	serve: func(t *testing.T, lis net.Listener, security *tls.Config, st *store.Store) {
		protocols := new(http.Protocols)
		protocols.SetHTTP2(true)
		protocols.SetUnencryptedHTTP2(true)
		srv := &http.Server{Handler: connectShopHandler(st), Protocols: protocols}
		if security != nil {
			srv.TLSConfig = security.Clone()
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if security == nil {
				srv.Serve(lis)
			} else {
				srv.ServeTLS(lis, "", "")
			}
		}()
		t.Cleanup(func() {
			srv.Close()
			<-ended
		})
	},
	dial: func(t *testing.T, addr string, security *tls.Config) shopClient {
		protocols := new(http.Protocols)
		url := "http://" + addr
		if security == nil {
			protocols.SetUnencryptedHTTP2(true)
		} else {
			protocols.SetHTTP2(true)
			url = "https://" + addr
		}
		transport := &http.Transport{Protocols: protocols}
		if security != nil {
			transport.TLSClientConfig = security.Clone()
		}
		t.Cleanup(transport.CloseIdleConnections)
		return newConnectShop(&http.Client{Transport: transport}, url)
	},
}

// toConnect turns an error of the shop into one that connect-go puts on the wire with its details.
func toConnect(err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	cerr := connect.NewError(connect.Code(st.Code()), errors.New(st.Message()))
	for _, m := range st.Details() {
		if d, derr := connect.NewErrorDetail(m); derr == nil {
			cerr.AddDetail(d)
		}
	}
	return cerr
}

func connectShopHandler(st *store.Store) http.Handler {
	catalogue, orders := shop.NewCatalogue(st), shop.NewOrders(st)
	mux := http.NewServeMux()
	unary := func(method string, h http.Handler) { mux.Handle(method, h) }
	unary(ecommerce.ProductInfo_AddProduct_FullMethodName, connect.NewUnaryHandler(ecommerce.ProductInfo_AddProduct_FullMethodName,
		func(ctx context.Context, req *connect.Request[ecommerce.Product]) (*connect.Response[ecommerce.ProductID], error) {
			id, err := catalogue.Add(ctx, req.Msg)
			return connect.NewResponse(&ecommerce.ProductID{Value: id}), toConnect(err)
		}))
	unary(ecommerce.ProductInfo_GetProduct_FullMethodName, connect.NewUnaryHandler(ecommerce.ProductInfo_GetProduct_FullMethodName,
		func(ctx context.Context, req *connect.Request[ecommerce.ProductID]) (*connect.Response[ecommerce.Product], error) {
			p, err := catalogue.Get(ctx, req.Msg.Value)
			return connect.NewResponse(p), toConnect(err)
		}))
	unary(ecommerce.OrderManagement_AddOrder_FullMethodName, connect.NewUnaryHandler(ecommerce.OrderManagement_AddOrder_FullMethodName,
		func(ctx context.Context, req *connect.Request[ecommerce.Order]) (*connect.Response[wrapperspb.StringValue], error) {
			answer, err := orders.Add(ctx, req.Msg)
			return connect.NewResponse(wrapperspb.String(answer)), toConnect(err)
		}))
	unary(ecommerce.OrderManagement_GetOrder_FullMethodName, connect.NewUnaryHandler(ecommerce.OrderManagement_GetOrder_FullMethodName,
		func(ctx context.Context, req *connect.Request[wrapperspb.StringValue]) (*connect.Response[ecommerce.Order], error) {
			o, err := orders.Get(ctx, req.Msg.Value)
			return connect.NewResponse(o), toConnect(err)
		}))
	mux.Handle(ecommerce.OrderManagement_SearchOrders_FullMethodName, connect.NewServerStreamHandler(ecommerce.OrderManagement_SearchOrders_FullMethodName,
		func(ctx context.Context, req *connect.Request[wrapperspb.StringValue], stream *connect.ServerStream[ecommerce.Order]) error {
			return toConnect(orders.Search(ctx, req.Msg.Value, stream.Send))
		}))
	mux.Handle(ecommerce.OrderManagement_UpdateOrders_FullMethodName, connect.NewClientStreamHandler(ecommerce.OrderManagement_UpdateOrders_FullMethodName,
		func(ctx context.Context, stream *connect.ClientStream[ecommerce.Order]) (*connect.Response[wrapperspb.StringValue], error) {
			answer, err := orders.Update(ctx, func() (*ecommerce.Order, error) {
				if stream.Receive() {
					return stream.Msg(), nil
				}
				return nil, endOr(stream.Err())
			})
			return connect.NewResponse(wrapperspb.String(answer)), toConnect(err)
		}))
	mux.Handle(ecommerce.OrderManagement_ProcessOrders_FullMethodName, connect.NewBidiStreamHandler(ecommerce.OrderManagement_ProcessOrders_FullMethodName,
		func(ctx context.Context, stream *connect.BidiStream[wrapperspb.StringValue, ecommerce.CombinedShipment]) error {
			return toConnect(orders.Process(ctx, func() (*wrapperspb.StringValue, error) {
				id, err := stream.Receive()
				return id, endOf(err)
			}, stream.Send))
		}))
	return mux
}

type connectShop struct {
	addP    *connect.Client[ecommerce.Product, ecommerce.ProductID]
	getP    *connect.Client[ecommerce.ProductID, ecommerce.Product]
	add     *connect.Client[ecommerce.Order, wrapperspb.StringValue]
	get     *connect.Client[wrapperspb.StringValue, ecommerce.Order]
	search  *connect.Client[wrapperspb.StringValue, ecommerce.Order]
	update  *connect.Client[ecommerce.Order, wrapperspb.StringValue]
	process *connect.Client[wrapperspb.StringValue, ecommerce.CombinedShipment]
}

func newConnectShop(h *http.Client, url string) *connectShop {
	return &connectShop{
		connect.NewClient[ecommerce.Product, ecommerce.ProductID](h, url+ecommerce.ProductInfo_AddProduct_FullMethodName, connect.WithGRPC()),
		connect.NewClient[ecommerce.ProductID, ecommerce.Product](h, url+ecommerce.ProductInfo_GetProduct_FullMethodName, connect.WithGRPC()),
		connect.NewClient[ecommerce.Order, wrapperspb.StringValue](h, url+ecommerce.OrderManagement_AddOrder_FullMethodName, connect.WithGRPC()),
		connect.NewClient[wrapperspb.StringValue, ecommerce.Order](h, url+ecommerce.OrderManagement_GetOrder_FullMethodName, connect.WithGRPC()),
		connect.NewClient[wrapperspb.StringValue, ecommerce.Order](h, url+ecommerce.OrderManagement_SearchOrders_FullMethodName, connect.WithGRPC()),
		connect.NewClient[ecommerce.Order, wrapperspb.StringValue](h, url+ecommerce.OrderManagement_UpdateOrders_FullMethodName, connect.WithGRPC()),
		connect.NewClient[wrapperspb.StringValue, ecommerce.CombinedShipment](h, url+ecommerce.OrderManagement_ProcessOrders_FullMethodName, connect.WithGRPC()),
	}
}

// call makes a unary call.
func call[Req, Res any](ctx context.Context, c *connect.Client[Req, Res], req *Req) (*Res, error) {
	res, err := c.CallUnary(ctx, connect.NewRequest(req))
	if err != nil {
		return nil, err
	}
	return res.Msg, nil
}

func (s *connectShop) addProduct(ctx context.Context, p *ecommerce.Product) (string, error) {
	id, err := call(ctx, s.addP, p)
	return id.GetValue(), err
}

func (s *connectShop) getProduct(ctx context.Context, id string) (*ecommerce.Product, error) {
	return call(ctx, s.getP, &ecommerce.ProductID{Value: id})
}

func (s *connectShop) addOrder(ctx context.Context, o *ecommerce.Order) (string, error) {
	res, err := call(ctx, s.add, o)
	return res.GetValue(), err
}

func (s *connectShop) getOrder(ctx context.Context, id string) (*ecommerce.Order, error) {
	return call(ctx, s.get, wrapperspb.String(id))
}

func (s *connectShop) searchOrders(ctx context.Context, query string) (found []*ecommerce.Order, err error) {
	stream, err := s.search.CallServerStream(ctx, connect.NewRequest(wrapperspb.String(query)))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	for stream.Receive() {
		found = append(found, stream.Msg())
	}
	return found, stream.Err()
}

func (s *connectShop) updateOrders(ctx context.Context, orders ...*ecommerce.Order) (string, error) {
	stream := s.update.CallClientStream(ctx)
	for _, o := range orders {
		if stream.Send(o) != nil {
			break // CloseAndReceive says why
		}
	}
	res, err := stream.CloseAndReceive()
	if err != nil {
		return "", err
	}
	return res.Msg.Value, nil
}

func (s *connectShop) processOrders(ctx context.Context) (processStream, error) {
	return connectProcess{s.process.CallBidiStream(ctx)}, nil
}

func (s *connectShop) outcome(err error) outcome {
	var cerr *connect.Error
	if err == nil || !errors.As(err, &cerr) {
		return outcome{code: status.Code(err)}
	}
	o := outcome{code: codes.Code(cerr.Code()), message: cerr.Message()}
	for _, d := range cerr.Details() {
		if m, verr := d.Value(); verr == nil {
			o.details = append(o.details, m)
		}
	}
	return o
}

type connectProcess struct {
	stream *connect.BidiStreamForClient[wrapperspb.StringValue, ecommerce.CombinedShipment]
}

func (p connectProcess) send(id string) error { return p.stream.Send(wrapperspb.String(id)) }
func (p connectProcess) closeSend() error     { return p.stream.CloseRequest() }

func (p connectProcess) recv() (*ecommerce.CombinedShipment, error) {
	s, err := p.stream.Receive()
	if err != nil {
		err = endOf(err)
		p.stream.CloseResponse() // the call is over: lets go of the connection
	}
	return s, err
}
