package policy_test

import (
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/auth/policy"
	"github.com/naru-rpc/naru/reflection"
)

// A server that serves what its policy allows, and whose reflection shows each caller that much.
func ExampleRules_Enforce() {
	p, err := policy.Parse([]byte(`{
	  "name": "shop",
	  "allow_rules": [
	    {"name": "readers", "source": {"groups": ["staff"]}, "request": {"paths": ["/shop.Products/Get*"]}},
	    {"name": "schema", "request": {"paths": ["/grpc.reflection.v1.ServerReflection/*"]}}
	  ]
	}`))
	if err != nil {
		log.Fatal(err)
	}
	rules, err := policy.New(p, policy.Config{})
	if err != nil {
		log.Fatal(err)
	}
	tokens := auth.StaticTokens(map[string]*auth.Caller{"t0ken": {Scheme: "bearer", Subject: "ada", Groups: []string{"staff"}}})
	srv, err := naru.NewServer(naru.WithAuthenticator(rules.Enforce(auth.Optional(tokens))))
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	reflection.Register(srv, reflection.WithFilter(rules.Allowed))

	for _, method := range []string{"/shop.Products/GetOne", "/shop.Products/Delete"} {
		d := rules.Decide(policy.Input{Method: method, Caller: &auth.Caller{Subject: "ada", Groups: []string{"staff"}}})
		fmt.Println(method, d.Allowed, d.Rule)
	}
	// Output:
	// /shop.Products/GetOne true readers
	// /shop.Products/Delete false
}
