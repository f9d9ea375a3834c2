package jwt_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/contrib/auth/jwt"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/stub"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A server that accepts tokens, and a client that signs its own. In production keys come from
// jwt.Discover or jwt.FromURL.
func Example() {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	keys, err := jwt.Static(public)
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := jwt.NewVerifier(jwt.Config{Issuer: "billing", Audiences: []string{"shop"}, Keys: keys})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := naru.NewServer(naru.WithAuthenticator(auth.Require(auth.Cached(tokens, auth.CacheConfig{}))))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	whoAmI := &naru.MethodInfo{FullMethod: "/example.Shop/WhoAmI"}
	srv.RegisterService(&naru.ServiceDesc{Name: "example.Shop", Methods: []naru.MethodDesc{
		stub.UnaryHandler(whoAmI, func(ctx context.Context, _ *emptypb.Empty) (*wrapperspb.StringValue, error) {
			caller, _ := auth.CallerFrom(ctx)
			return wrapperspb.String(caller.Subject), nil
		}),
	}})

	signer, err := jwt.NewSigner(jwt.SignerConfig{
		Key: private, Algorithm: "EdDSA", Issuer: "billing", Subject: "invoices", Audience: "shop",
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, creds := range []credentials.PerRPC{signer, nil} {
		var opts []naru.ClientOption
		if creds != nil {
			opts = append(opts, naru.WithCredentials(creds))
		}
		client, err := naru.InProcess(srv, opts...)
		if err != nil {
			log.Fatal(err)
		}
		var reply wrapperspb.StringValue
		if err := client.Invoke(context.Background(), whoAmI, &emptypb.Empty{}, &reply); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println(reply.Value)
		}
		client.Close()
	}
	// Output:
	// invoices
	// UNAUTHENTICATED: the call has no credentials: this server accepts Bearer
}
