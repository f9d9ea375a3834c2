package conformance

import (
	"context"
	"io"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/status"
	pb "github.com/naru-rpc/naru/test/internal/conformancepb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Service answers calls as their requests ask it to. The zero value is ready; it has no state.
type Service struct {
	// Method Unimplemented is not implemented, which is its purpose.
	pb.UnimplementedConformanceServiceServer
}

// Unary answers with a payload or an error.
func (s *Service) Unary(ctx context.Context, req *pb.UnaryRequest) (*pb.UnaryResponse, error) {
	payload, err := respondOnce(ctx, req.ResponseDefinition, req)
	if err != nil {
		return nil, err
	}
	return &pb.UnaryResponse{Payload: payload}, nil
}

// IdempotentUnary is Unary under another name: GET requests are not gRPC's.
func (s *Service) IdempotentUnary(ctx context.Context, req *pb.IdempotentUnaryRequest) (*pb.IdempotentUnaryResponse, error) {
	payload, err := respondOnce(ctx, req.ResponseDefinition, req)
	if err != nil {
		return nil, err
	}
	return &pb.IdempotentUnaryResponse{Payload: payload}, nil
}

// ClientStream answers once, as the first request asks.
func (s *Service) ClientStream(stream naru.ClientStreamingServer[pb.ClientStreamRequest, pb.ClientStreamResponse]) error {
	var definition *pb.UnaryResponseDefinition
	var requests []proto.Message
	for req, err := range stream.All() {
		if err != nil {
			return err
		}
		if len(requests) == 0 {
			definition = req.ResponseDefinition
		}
		requests = append(requests, req)
	}
	payload, err := respondOnce(stream.Context(), definition, requests...)
	if err != nil {
		return err
	}
	return stream.SendAndClose(&pb.ClientStreamResponse{Payload: payload})
}

// ServerStream sends the answers that the request asks for, then its error.
func (s *Service) ServerStream(req *pb.ServerStreamRequest, stream naru.ServerStreamingServer[pb.ServerStreamResponse]) error {
	r := &responder{
		stream:     stream,
		definition: req.ResponseDefinition,
		send:       func(p *pb.ConformancePayload) error { return stream.Send(&pb.ServerStreamResponse{Payload: p}) },
	}
	if err := r.begin(); err != nil {
		return err
	}
	if err := r.received(req); err != nil {
		return err
	}
	return r.finish()
}

// BidiStream answers after the last request or, if the first one asks for full duplex, every
// request with one answer.
func (s *Service) BidiStream(stream naru.BidiStreamingServer[pb.BidiStreamRequest, pb.BidiStreamResponse]) error {
	r := &responder{
		stream: stream,
		send:   func(p *pb.ConformancePayload) error { return stream.Send(&pb.BidiStreamResponse{Payload: p}) },
	}
	fullDuplex := false
	for first := true; ; first = false {
		req, err := stream.Recv()
		if err == io.EOF {
			return r.finish()
		}
		if err != nil {
			return err
		}
		if first {
			fullDuplex = req.FullDuplex
			r.definition = req.ResponseDefinition
			if err := r.begin(); err != nil {
				return err
			}
		}
		if err := r.received(req); err != nil {
			return err
		}
		if !fullDuplex {
			continue
		}
		if r.sent >= len(r.definition.GetResponseData()) {
			return r.finish()
		}
		if err := r.next(); err != nil {
			return err
		}
	}
}

// respondOnce does what a definition for a single answer asks: headers, trailers, a delay, then the
// payload or the error.
func respondOnce(ctx context.Context, def *pb.UnaryResponseDefinition, requests ...proto.Message) (*pb.ConformancePayload, error) {
	packed, err := pack(requests)
	if err != nil {
		return nil, err
	}
	info := requestInfo(ctx, packed...)
	if def == nil {
		return &pb.ConformancePayload{RequestInfo: info}, nil
	}
	if err := naru.SetHeader(ctx, metadataOf(def.ResponseHeaders)); err != nil {
		return nil, err
	}
	if err := naru.SetTrailer(ctx, metadataOf(def.ResponseTrailers)); err != nil {
		return nil, err
	}
	if err := wait(ctx, def.ResponseDelayMs); err != nil {
		return nil, err
	}
	if e := def.GetError(); e != nil {
		return nil, errorOf(e, info)
	}
	return &pb.ConformancePayload{Data: def.GetResponseData(), RequestInfo: info}, nil
}

// A responder sends what a definition for several answers asks for.
type responder struct {
	stream     naru.ServerStream
	definition *pb.StreamResponseDefinition // nil: nothing
	send       func(*pb.ConformancePayload) error
	requests   []*anypb.Any // received since the last answer
	sent       int
}

// begin sends the headers at once, so that a client can read them before the first answer.
func (r *responder) begin() error {
	if r.definition == nil {
		return nil
	}
	r.stream.SetTrailer(metadataOf(r.definition.ResponseTrailers))
	return r.stream.SendHeader(metadataOf(r.definition.ResponseHeaders))
}

// received notes a request for the next answer.
func (r *responder) received(req proto.Message) error {
	packed, err := pack([]proto.Message{req})
	r.requests = append(r.requests, packed...)
	return err
}

// next sends the next answer. The first one carries all of the request; later ones only the
// requests that came in between, if any did.
func (r *responder) next() error {
	payload := &pb.ConformancePayload{Data: r.definition.ResponseData[r.sent]}
	if r.sent == 0 {
		payload.RequestInfo = requestInfo(r.stream.Context(), r.requests...)
	} else if len(r.requests) > 0 {
		payload.RequestInfo = &pb.ConformancePayload_RequestInfo{Requests: r.requests}
	}
	if err := wait(r.stream.Context(), r.definition.ResponseDelayMs); err != nil {
		return err
	}
	r.requests = nil
	r.sent++
	return r.send(payload)
}

// finish sends the answers that are left, then returns the error asked for.
func (r *responder) finish() error {
	for r.sent < len(r.definition.GetResponseData()) {
		if err := r.next(); err != nil {
			return err
		}
	}
	switch e := r.definition.GetError(); {
	case e == nil:
		return nil
	case r.sent > 0:
		return errorOf(e)
	default:
		return errorOf(e, requestInfo(r.stream.Context(), r.requests...))
	}
}

func pack(messages []proto.Message) ([]*anypb.Any, error) {
	var packed []*anypb.Any
	for _, m := range messages {
		a, err := anypb.New(m)
		if err != nil {
			return nil, status.Errorf(codes.Internal, "packing a request: %w", err)
		}
		packed = append(packed, a)
	}
	return packed, nil
}
