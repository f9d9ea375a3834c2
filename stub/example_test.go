package stub_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A method without a .proto file.
func ExampleUnaryHandler() {
	shout := &naru.MethodInfo{FullMethod: "/test.Voice/Shout"}
	srv, err := naru.NewServer()
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	srv.RegisterService(&naru.ServiceDesc{Name: "test.Voice", Methods: []naru.MethodDesc{
		stub.UnaryHandler(shout, func(_ context.Context, m *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return wrapperspb.String(strings.ToUpper(m.Value)), nil
		}),
	}})
	client, err := naru.InProcess(srv)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var res wrapperspb.StringValue
	err = client.Invoke(context.Background(), shout, wrapperspb.String("hello"), &res)
	fmt.Println(res.Value, err)
	// Output: HELLO <nil>
}
