// Command auth accepts passwords and tokens side by side, and a policy decides which caller may
// call what.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/auth/policy"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
)

const rules = `{
  "name": "greeter",
  "deny_rules": [
    {"name": "no-dev-header", "request": {"headers": [{"key": "x-dev", "values": ["*"]}]}}
  ],
  "allow_rules": [
    {"name": "robots", "source": {"principals": ["robot-*"]}, "request": {"paths": ["/greeter.Greeter/*"]}},
    {"name": "staff", "source": {"groups": ["staff"]}}
  ]
}`

// byName greets the caller.
type byName struct{ greeter.Server }

func (byName) SayHello(ctx context.Context, _ *greeter.HelloRequest) (*greeter.HelloReply, error) {
	caller, _ := auth.CallerFrom(ctx)
	return &greeter.HelloReply{Message: "Hello, " + caller.Subject + "!"}, nil
}

func main() {
	passwords := auth.Basic(func(_ context.Context, user, password string) (*auth.Caller, error) {
		if password != "secret" { // contrib/auth/password checks a file of hashes
			return nil, auth.ErrWrongPassword
		}
		return &auth.Caller{Scheme: "basic", Subject: user}, nil
	})
	tokens := auth.StaticTokens(map[string]*auth.Caller{
		"t0ken": {Scheme: "bearer", Subject: "robot-7"},
	})
	p, err := policy.Parse([]byte(rules)) // policy.Open follows a file
	if err != nil {
		log.Fatal(err)
	}
	allowed, err := policy.New(p, policy.Config{})
	if err != nil {
		log.Fatal(err)
	}
	srv, err := naru.NewServer(
		naru.WithAuthenticator(allowed.Enforce(auth.Require(tokens, passwords))),
		naru.WithAuthenticatorFor("grpc.health.v1.Health", nil), // probes have no credentials
	)
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, byName{})
	conn, stop, err := loopback.Serve(srv)
	if err != nil {
		log.Fatal(err)
	}
	client := greeter.NewGreeterClient(conn)
	say := func(title string, creds credentials.PerRPC, err error) {
		if err != nil {
			log.Fatal(err)
		}
		var opts []naru.CallOption
		if creds != nil {
			opts = append(opts, naru.WithCredentials(credentials.AllowPlaintext(creds))) // this connection has no TLS
		}
		reply, err := client.SayHello(context.Background(), &greeter.HelloRequest{}, opts...)
		if err != nil {
			fmt.Printf("%s: %v\n", title, err)
			return
		}
		fmt.Printf("%s: %s\n", title, reply.GetMessage())
	}
	robot, err := credentials.Bearer("t0ken")
	say("a token", robot, err)
	ada, err := credentials.Basic("ada", "secret")
	say("a password", ada, err)
	wrong, err := credentials.Basic("ada", "guess")
	say("a wrong one", wrong, err)
	say("nothing", nil, nil)
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
