package conformance

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/naru-rpc/naru/narutest"
	pb "github.com/naru-rpc/naru/test/internal/conformancepb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

func TestMessagesComeBack(t *testing.T) {
	var buf bytes.Buffer
	want := []*pb.Header{{Name: "a", Value: []string{"1", "2"}}, {}, {Name: strings.Repeat("x", 70_000)}}
	for _, m := range want {
		if err := WriteMessage(&buf, m); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range want {
		got := &pb.Header{}
		if err := ReadMessage(&buf, got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got, protocmp.Transform()); diff != "" {
			t.Errorf("-written +read:\n%s", diff)
		}
	}
	if err := ReadMessage(&buf, &pb.Header{}); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
}

func TestBrokenMessages(t *testing.T) {
	for name, in := range map[string]string{
		"in the prefix":    "\x00\x00",
		"in the message":   "\x00\x00\x00\x04\x0a",
		"before the body":  "\x00\x00\x00\x04",
		"too long":         "\x7f\xff\xff\xff",
		"not a message":    "\x00\x00\x00\x01\xff",
		"wrong wire types": "\x00\x00\x00\x02\x08\x01\x00",
	} {
		err := ReadMessage(strings.NewReader(in), &pb.Header{})
		if name == "wrong wire types" { // an unknown field is none of our business
			if err != nil {
				t.Errorf("%s: %v, want nil", name, err)
			}
			continue
		}
		if err == nil || err == io.EOF {
			t.Errorf("%s: got %v, want an error that is not io.EOF", name, err)
		}
	}
}

// serve runs a server as the suite does and returns where it is.
func serve(t *testing.T, want *pb.ServerCompatRequest) *pb.ServerCompatResponse {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	fromServer, toTest := io.Pipe()
	var in bytes.Buffer
	if err := WriteMessage(&in, want); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := RunServer(ctx, &in, toTest)
		toTest.CloseWithError(err)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("RunServer: %v", err)
		}
	})
	where := &pb.ServerCompatResponse{}
	if err := ReadMessage(fromServer, where); err != nil {
		t.Fatal(err)
	}
	return where
}

func anyOf(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// One call of each kind through both programs: what the suite's own run would show much later, and
// with less to go by.
func TestClientAgainstServer(t *testing.T) {
	where := serve(t, &pb.ServerCompatRequest{Protocol: pb.Protocol_PROTOCOL_GRPC, HttpVersion: pb.HTTPVersion_HTTP_VERSION_2})
	headers := []*pb.Header{{Name: "x-head", Value: []string{"h1", "h2"}}}
	trailers := []*pb.Header{{Name: "x-tail-bin", Value: []string{"AAEC"}}}
	once := &pb.UnaryResponseDefinition{
		ResponseHeaders: headers, ResponseTrailers: trailers,
		Response: &pb.UnaryResponseDefinition_ResponseData{ResponseData: []byte("data")},
	}
	often := &pb.StreamResponseDefinition{
		ResponseHeaders: headers, ResponseTrailers: trailers,
		ResponseData: [][]byte{[]byte("one"), []byte("two")},
		Error:        &pb.Error{Code: pb.Code_CODE_ABORTED, Message: new("as asked")},
	}
	calls := []*pb.ClientCompatRequest{
		{TestName: "unary", Method: new("Unary"), RequestMessages: []*anypb.Any{anyOf(t, &pb.UnaryRequest{ResponseDefinition: once})}},
		{TestName: "client", Method: new("ClientStream"), RequestMessages: []*anypb.Any{anyOf(t, &pb.ClientStreamRequest{ResponseDefinition: once}), anyOf(t, &pb.ClientStreamRequest{})}},
		{TestName: "server", Method: new("ServerStream"), RequestMessages: []*anypb.Any{anyOf(t, &pb.ServerStreamRequest{ResponseDefinition: often})}},
		{TestName: "half", Method: new("BidiStream"), StreamType: pb.StreamType_STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM, RequestMessages: []*anypb.Any{anyOf(t, &pb.BidiStreamRequest{ResponseDefinition: often}), anyOf(t, &pb.BidiStreamRequest{})}},
		{TestName: "full", Method: new("BidiStream"), StreamType: pb.StreamType_STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM, RequestMessages: []*anypb.Any{anyOf(t, &pb.BidiStreamRequest{FullDuplex: true, ResponseDefinition: often}), anyOf(t, &pb.BidiStreamRequest{})}},
		{TestName: "unimplemented", Method: new("Unimplemented"), RequestMessages: []*anypb.Any{anyOf(t, &pb.UnimplementedRequest{})}},
	}
	results := runCalls(t, where, calls)
	for name, payloads := range map[string]int{"unary": 1, "client": 1, "server": 2, "half": 2, "full": 2, "unimplemented": 0} {
		got := results[name]
		if got == nil {
			t.Errorf("%s: no result", name)
			continue
		}
		if len(got.Payloads) != payloads {
			t.Errorf("%s: %d payloads, want %d (error: %v)", name, len(got.Payloads), payloads, got.Error)
		}
		if name == "unimplemented" {
			if got.Error.GetCode() != pb.Code_CODE_UNIMPLEMENTED {
				t.Errorf("%s: error %v, want UNIMPLEMENTED", name, got.Error)
			}
			continue
		}
		wantHeader(t, name, got.ResponseHeaders, headers[0])
		wantHeader(t, name, got.ResponseTrailers, trailers[0])
		if payloads == 2 && got.Error.GetMessage() != "as asked" {
			t.Errorf("%s: error %v, want the one asked for", name, got.Error)
		}
	}
}

func runCalls(t *testing.T, where *pb.ServerCompatResponse, calls []*pb.ClientCompatRequest) map[string]*pb.ClientResponseResult {
	t.Helper()
	var in, out bytes.Buffer
	for _, c := range calls {
		c.Service = new(pb.ConformanceService_ServiceName)
		c.Codec, c.Compression = pb.Codec_CODEC_JSON, pb.Compression_COMPRESSION_GZIP
		c.Host, c.Port = where.Host, where.Port
		if err := WriteMessage(&in, c); err != nil {
			t.Fatal(err)
		}
	}
	if err := RunClient(t.Context(), &in, &out, 3); err != nil {
		t.Fatal(err)
	}
	results := map[string]*pb.ClientResponseResult{}
	for range calls {
		res := &pb.ClientCompatResponse{}
		if err := ReadMessage(&out, res); err != nil {
			t.Fatal(err)
		}
		if e := res.GetError(); e != nil {
			t.Errorf("%s could not be run: %s", res.TestName, e.Message)
		}
		results[res.TestName] = res.GetResponse()
	}
	return results
}

func wantHeader(t *testing.T, name string, got []*pb.Header, want *pb.Header) {
	t.Helper()
	for _, h := range got {
		if h.Name == want.Name {
			if diff := cmp.Diff(want, h, protocmp.Transform()); diff != "" {
				t.Errorf("%s: header changed (-want +got):\n%s", name, diff)
			}
			return
		}
	}
	t.Errorf("%s: no header %s in %v", name, want.Name, got)
}
