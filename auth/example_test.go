package auth_test

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/status"
)

// A server whose callers bring a token; the zero Caller is one without a name.
func ExampleRequire() {
	srv, err := naru.NewServer(naru.WithAuthenticator(auth.Require(
		auth.StaticTokens(map[string]*auth.Caller{"mF_9.B5f-4.1JqM": {}}),
	)))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	health.Register(srv, health.NewServer())
	client, err := naru.InProcess(srv)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_, err = health.Check(context.Background(), client, "")
	fmt.Println(status.Code(err))

	token, err := credentials.Bearer("mF_9.B5f-4.1JqM")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(health.Check(context.Background(), client, "", naru.WithCredentials(credentials.AllowPlaintext(token))))
	// Output:
	// UNAUTHENTICATED
	// SERVING <nil>
}
