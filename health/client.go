package health

import (
	"context"
	"iter"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/health/healthpb"
	"github.com/naru-rpc/naru/stub"
)

// Check asks for the status of a service, given by its full name; "" is the server as a whole.
// A service the server does not know is the error NOT_FOUND, and a server without the health
// service UNIMPLEMENTED. A retry is safe.
func Check(ctx context.Context, cc naru.ClientConnInterface, service string, opts ...naru.CallOption) (Status, error) {
	var res healthpb.HealthCheckResponse
	if err := cc.Invoke(ctx, checkMethod, &healthpb.HealthCheckRequest{Service: service}, &res, opts...); err != nil {
		return Unknown, err
	}
	return res.GetStatus(), nil
}

// List asks for the statuses of all services. Servers may answer RESOURCE_EXHAUSTED if they
// have very many, and older ones do not have the method (UNIMPLEMENTED). A retry is safe.
func List(ctx context.Context, cc naru.ClientConnInterface, opts ...naru.CallOption) (map[string]Status, error) {
	var res healthpb.HealthListResponse
	if err := cc.Invoke(ctx, listMethod, &healthpb.HealthListRequest{}, &res, opts...); err != nil {
		return nil, err
	}
	all := make(map[string]Status, len(res.GetStatuses()))
	for service, s := range res.GetStatuses() {
		all[service] = s.GetStatus()
	}
	return all, nil
}

// Watch yields the status of a service now and with every change, ServiceUnknown while
// the server does not know it, and last the error that ended the watch, such as UNAVAILABLE
// when the server shuts down. It does not start anew by itself. Leaving the loop, or ending ctx,
// ends the call.
func Watch(ctx context.Context, cc naru.ClientConnInterface, service string, opts ...naru.CallOption) iter.Seq2[Status, error] {
	return func(yield func(Status, error) bool) {
		stream, err := stub.NewServerStreamingClient[healthpb.HealthCheckResponse](ctx, cc, watchMethod, &healthpb.HealthCheckRequest{Service: service}, opts...)
		if err != nil {
			yield(Unknown, err)
			return
		}
		for res, err := range stream.All() {
			if !yield(res.GetStatus(), err) {
				return
			}
		}
	}
}
