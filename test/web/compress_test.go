package web

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"
	"github.com/naru-rpc/naru"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// zstdReader is a zstd reader as connect-go wants one.
type zstdReader struct{ *zstd.Decoder }

func (z zstdReader) Close() error { return nil }

func (z zstdReader) Reset(r io.Reader) error { return z.Decoder.Reset(r) }

func newZstdReader() connect.Decompressor {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return zstdReader{d}
}

func newZstdWriter() connect.Compressor {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return e
}

func newGzipWriter() connect.Compressor { return gzip.NewWriter(nil) }

// Requests and responses are compressed with what both sides know: what a server prefers, else what
// the request came in.
func TestCompressions(t *testing.T) {
	big := strings.Repeat("much the same ", 1000)
	for _, prefers := range []string{"", "zstd", "gzip"} {
		var opts []naru.ServerOption
		if prefers != "" {
			opts = append(opts, naru.WithCompression(prefers))
		}
		url := serve(t, nil, nil, opts...)
		for version, hc := range transports(t, nil) {
			for protocol, p := range map[string][]connect.ClientOption{"Connect": nil, "gRPC-Web": {connect.WithGRPCWeb()}} {
				for _, sends := range []string{"gzip", "zstd"} {
					o := append(p[:len(p):len(p)], connect.WithAcceptCompression("zstd", newZstdReader, newZstdWriter), connect.WithSendCompression(sends))
					want := sends
					if prefers != "" {
						want = prefers
					}
					client := func(method string) *connect.Client[text, text] {
						return connect.NewClient[text, text](hc, url+"/test.Echo/"+method, o...)
					}
					res, err := client("Unary").CallUnary(t.Context(), connect.NewRequest(wrapperspb.String(big)))
					if err != nil || res.Msg.Value != big {
						t.Fatalf("%s over %s, %s: %v", protocol, version, sends, err)
					}
					field := "Content-Encoding"
					if protocol == "gRPC-Web" {
						field = "Grpc-Encoding"
					}
					if got := res.Header().Get(field); got != want {
						t.Errorf("%s over %s, %s to a server that prefers %q: the response is in %q", protocol, version, sends, prefers, got)
					}
					up := client("Client").CallClientStream(t.Context())
					for range 3 {
						if err := up.Send(wrapperspb.String(big)); err != nil {
							t.Fatal(err)
						}
					}
					if res, err := up.CloseAndReceive(); err != nil || len(res.Msg.Value) != 3*len(big)+2 {
						t.Errorf("%s over %s, %s stream: %v", protocol, version, sends, err)
					}
				}
			}
		}
	}
}

// frame is a message of gRPC's, or with a flag of 0x80 the trailers of gRPC-Web.
func frame(flag byte, p []byte) []byte {
	b := append([]byte{flag, 0, 0, 0, 0}, p...)
	binary.BigEndian.PutUint32(b[1:], uint32(len(p)))
	return b
}

func message(t *testing.T, value string) []byte {
	t.Helper()
	b, err := proto.Marshal(wrapperspb.String(value))
	if err != nil {
		t.Fatal(err)
	}
	return frame(0, b)
}

// decodeText decodes base64 that was padded wherever its sender liked.
func decodeText(t *testing.T, text []byte) []byte {
	t.Helper()
	var all []byte
	for ; len(text) >= 4; text = text[4:] {
		var err error
		if all, err = base64.StdEncoding.AppendDecode(all, text[:4]); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	if len(text) > 0 {
		t.Fatalf("%q is left", text)
	}
	return all
}

// gRPC-Web in base64: unary calls and streams, errors, and requests that were padded in the middle.
func TestText(t *testing.T) {
	url := serve(t, nil, nil)
	long := strings.Repeat("x", 10_000)
	for version, hc := range transports(t, nil) {
		for _, tt := range []struct {
			method  string
			request []string // each encoded for itself
			want    []string
			status  string
		}{
			{"Unary", []string{string(message(t, "hello"))}, []string{"hello"}, "0"},
			{"Unary", []string{string(message(t, ""))}, []string{""}, "0"},
			{"Unary", []string{string(message(t, long))}, []string{long}, "0"},
			{"Unary", []string{string(message(t, "fail"))}, nil, "5"},
			{"Server", []string{string(message(t, "one two three"))}, []string{"one", "two", "three"}, "0"},
			{"Server", []string{string(message(t, "one fail"))}, []string{"one"}, "10"},
			{"Client", []string{string(message(t, "a")), string(message(t, "bcd")), string(message(t, "e"))}, []string{"a bcd e"}, "0"},
			{"No", []string{string(message(t, "x"))}, nil, "12"},
		} {
			var body bytes.Buffer
			for _, r := range tt.request {
				body.WriteString(base64.StdEncoding.EncodeToString([]byte(r)))
			}
			req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/test.Echo/"+tt.method, &body)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/grpc-web-text+proto")
			req.Header.Set("Accept", "application/grpc-web-text")
			req.Header.Set("X-Grpc-Web", "1")
			res, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/grpc-web-text+proto" {
				t.Fatalf("%s: %s, %v, %v", tt.method, res.Status, res.Header, err)
			}
			got, trailers := readFrames(t, decodeText(t, b))
			if trailers == "" { // a response that is nothing but its end has it in the header
				trailers = "grpc-status: " + res.Header.Get("Grpc-Status") + "\r\n"
			}
			if strings.Join(got, "|") != strings.Join(tt.want, "|") || !strings.Contains(trailers, "grpc-status: "+tt.status+"\r\n") {
				t.Errorf("%s over %s: %.100q, trailers %q; want %.100q, status %s", tt.method, version, got, trailers, tt.want, tt.status)
			}
		}
	}
}

func readFrames(t *testing.T, b []byte) (messages []string, trailers string) {
	t.Helper()
	for len(b) >= 5 {
		n := int(binary.BigEndian.Uint32(b[1:]))
		if len(b)-5 < n {
			break
		}
		if p := b[5 : 5+n]; b[0] == 0x80 {
			trailers = string(p)
		} else {
			m := new(text)
			if err := proto.Unmarshal(p, m); err != nil {
				t.Fatal(err)
			}
			messages = append(messages, m.Value)
		}
		b = b[5+n:]
	}
	if len(b) > 0 {
		t.Fatalf("%q is left of the response", b)
	}
	return messages, trailers
}
