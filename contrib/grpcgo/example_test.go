package grpcgo_test

import (
	"context"
	"fmt"
	"net"

	"github.com/naru-rpc/naru/contrib/grpcgo"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// oldServer is written against grpc-go, and stays as it is.
type oldServer struct {
	testpb.UnimplementedTestServiceServer
}

func (*oldServer) UnaryCall(_ context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if len(req.Payload.GetBody()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the payload is empty")
	}
	return &testpb.SimpleResponse{Payload: req.Payload}, nil
}

// A service and a client of grpc-go, of which the two lines that make them have changed.
func Example() {
	logging := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		fmt.Println("called:", info.FullMethod)
		return handler(ctx, req)
	}
	s := grpcgo.NewServer(grpc.UnaryInterceptor(logging))
	testpb.RegisterTestServiceServer(s, &oldServer{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go s.Serve(lis)
	defer s.GracefulStop()

	cc, err := grpcgo.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cc.Close()
	_, err = testpb.NewTestServiceClient(cc).UnaryCall(context.Background(), &testpb.SimpleRequest{})
	fmt.Println(status.Code(err))
	// Output:
	// called: /grpc.testing.TestService/UnaryCall
	// InvalidArgument
}
