package encoding_test

import (
	"fmt"
	"log"

	"github.com/naru-rpc/naru/encoding"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A registry holds what a server or client can encode and compress.
func ExampleNewRegistry() {
	r, err := encoding.NewRegistry(
		[]encoding.Codec{encoding.Proto(), encoding.JSON()},
		[]encoding.Compressor{encoding.Gzip(), encoding.Zstd()},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r.Codec("json").Name(), r.Codec("xml") == nil, r.Compressor("zstd").Name())
	_, err = encoding.NewRegistry([]encoding.Codec{encoding.Proto(), encoding.Proto()}, nil)
	fmt.Println(err)
	// Output:
	// json true zstd
	// encoding: codec name "proto" is taken
}

// Codecs append to a buffer and say how much they need.
func ExampleJSON() {
	c := encoding.JSON()
	m := wrapperspb.String("hello")
	b, err := c.Append(nil, m, c.Size(m))
	fmt.Println(string(b), err)
	var back wrapperspb.StringValue
	fmt.Println(c.Unmarshal(b, &back), back.Value)
	// Output:
	// "hello" <nil>
	// <nil> hello
}
