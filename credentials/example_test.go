package credentials_test

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru/credentials"
)

// Bearer sends a token with each call, over TLS only.
func ExampleBearer() {
	c, err := credentials.Bearer("mF_9.B5f-4.1JqM")
	if err != nil {
		log.Fatal(err)
	}
	md, err := c.GetRequestMetadata(context.Background())
	fmt.Println(md["authorization"], err, c.RequireTransportSecurity())
	_, err = credentials.Bearer("not a token")
	fmt.Println(err)
	// Output:
	// Bearer mF_9.B5f-4.1JqM <nil> true
	// credentials: bearer: byte 0x20 at offset 3 of the token is not allowed (is there a line end in its file?)
}

// AllowPlaintext is for tests, and for connections that something else protects.
func ExampleAllowPlaintext() {
	c, err := credentials.Basic("ana", "secret")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.RequireTransportSecurity(), credentials.AllowPlaintext(c).RequireTransportSecurity())
	// Output: true false
}
