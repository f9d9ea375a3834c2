package hpack

import "testing"

// A gRPC request as a channel's connection sends it: all but the timeout is worth indexing.
var benchRequest = []Field{
	{Name: ":method", Value: "POST"},
	{Name: ":scheme", Value: "http"},
	{Name: ":path", Value: "/ecommerce.OrderManagement/searchOrders"},
	{Name: ":authority", Value: "orders.example.internal:50051"},
	{Name: "content-type", Value: "application/grpc"},
	{Name: "user-agent", Value: "grpc-go-naru/0.1.0"},
	{Name: "te", Value: "trailers"},
	{Name: "grpc-timeout", Value: "999963u"},
}

var benchTrailers = []Field{{Name: "grpc-status", Value: "0"}, {Name: "grpc-message", Value: ""}}

func appendBlock(e *Encoder, dst []byte, fields []Field) []byte {
	dst = e.BeginBlock(dst)
	for i := range fields {
		dst = e.AppendField(dst, fields[i], fields[i].Name != "grpc-timeout")
	}
	return dst
}

func BenchmarkEncodeRequest(b *testing.B) {
	e := NewEncoder(4096)
	buf := appendBlock(e, make([]byte, 0, 512), benchRequest)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendBlock(e, buf[:0], benchRequest)
	}
	b.ReportMetric(float64(len(buf)), "B/block")
}

func BenchmarkEncodeFieldIndexed(b *testing.B) {
	e := NewEncoder(4096)
	buf := appendBlock(e, make([]byte, 0, 512), benchRequest)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendField(buf[:0], benchRequest[2], true)
	}
}

func BenchmarkEncodeTrailers(b *testing.B) {
	e := NewEncoder(4096)
	buf := appendBlock(e, make([]byte, 0, 512), benchTrailers)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendBlock(e, buf[:0], benchTrailers)
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	e, d := NewEncoder(4096), NewDecoder(4096)
	fields, _, err := d.Decode(nil, appendBlock(e, nil, benchRequest), &DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	block := appendBlock(e, nil, benchRequest)
	b.ReportAllocs()
	for b.Loop() {
		if fields, _, err = d.Decode(fields[:0], block, &DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

// All literals, as from a client without a dynamic table.
func BenchmarkDecodeLiterals(b *testing.B) {
	d := NewDecoder(4096)
	var block []byte
	for _, f := range benchRequest {
		block = appendInt(block, 0, 4, 0)
		block = appendString(block, f.Name)
		block = appendString(block, f.Value)
	}
	var fields []Field
	var err *Error
	b.SetBytes(int64(len(block)))
	b.ReportAllocs()
	for b.Loop() {
		if fields, _, err = d.Decode(fields[:0], block, &DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

const benchText = "https://orders.example.internal/v1/orders?page=2&size=50"

func BenchmarkHuffmanEncode(b *testing.B) {
	buf := make([]byte, 0, 128)
	b.SetBytes(int64(len(benchText)))
	for b.Loop() {
		buf = appendHuffman(buf[:0], benchText)
	}
}

func BenchmarkHuffmanDecode(b *testing.B) {
	p := appendHuffman(nil, benchText)
	buf := make([]byte, 0, 128)
	b.SetBytes(int64(len(benchText)))
	for b.Loop() {
		buf, _ = decodeHuffman(buf[:0], p, 1<<16)
	}
}
