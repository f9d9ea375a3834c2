package narutest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/narutest"
	"github.com/naru-rpc/naru/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// greeting is a handler as programs write them.
func greeting(ctx context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if len(metadata.ValueFromIncomingContext(ctx, "token")) == 0 {
		return nil, status.Error(codes.Unauthenticated, "a token is needed")
	}
	if err := naru.SetHeader(ctx, metadata.Pairs("greeted", name.GetValue())); err != nil {
		return nil, err
	}
	return wrapperspb.String("hello, " + name.GetValue()), nil
}

// numbers is the handler of a server-streaming method.
func numbers(upTo *wrapperspb.Int32Value, s naru.ServerStreamingServer[wrapperspb.Int32Value]) error {
	for i := range upTo.GetValue() {
		if err := s.Send(wrapperspb.Int32(i + 1)); err != nil {
			return err
		}
	}
	return nil
}

// A handler is called like any function; the call tells what it did beside returning.
func ExampleNewCall() {
	t := new(exampleT) // in a test: its own *testing.T
	defer t.end()
	call := narutest.NewCall(t, narutest.CallConfig{Metadata: metadata.Pairs("token", "t1")})
	res, err := greeting(call.Context(), wrapperspb.String("Ana"))
	fmt.Println(res.GetValue(), err)
	fmt.Println(call.Header().First("greeted"))

	_, err = greeting(narutest.NewCall(t, narutest.CallConfig{}).Context(), wrapperspb.String("Ana"))
	fmt.Println(err)
	// Output:
	// hello, Ana <nil>
	// Ana
	// UNAUTHENTICATED: a token is needed
}

func ExampleNewStream() {
	t := new(exampleT) // in a test: its own *testing.T
	defer t.end()
	stream := narutest.NewStream[wrapperspb.Int32Value, wrapperspb.Int32Value](t, narutest.CallConfig{})
	err := numbers(wrapperspb.Int32(2), stream)
	for _, m := range stream.Sent() {
		fmt.Println(m.GetValue())
	}
	fmt.Println(err)
	// Output:
	// 1
	// 2
	// <nil>
}

// Serve tests the service as a client sees it, over a network in memory.
func ExampleServe() {
	_ = func(t *testing.T) { // a test function
		client := narutest.Serve(t, registerEcho) // generated: func(s naru.ServiceRegistrar) { pb.RegisterEchoServer(s, impl) }
		if got, err := echo(t.Context(), client, "hello"); err != nil || got != "hello" {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// exampleT stands in for a *testing.T, which examples do not have.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (*exampleT) Helper()            {}
func (t *exampleT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *exampleT) end() {
	for _, f := range t.cleanups {
		f()
	}
}
