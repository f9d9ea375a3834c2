// Command tls serves with a certificate of an authority of its own, and takes only clients that
// have one too.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/examples/greeter"
	"github.com/naru-rpc/naru/examples/internal/loopback"
	"github.com/naru-rpc/naru/status"
)

// personal greets clients by the name in their certificate.
type personal struct{ greeter.Server }

func (personal) SayHello(ctx context.Context, _ *greeter.HelloRequest) (*greeter.HelloReply, error) {
	peer, _ := naru.PeerFromContext(ctx)
	name := peer.TLS.PeerCertificates[0].Subject.CommonName
	return &greeter.HelloReply{Message: "Hello, " + name + "!"}, nil
}

func main() {
	// In production the authority is somebody else's; see package devcert for what these are good
	// for.
	ca, err := devcert.NewAuthority("example", time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	server, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1", "::1"}})
	if err != nil {
		log.Fatal(err)
	}
	ana, err := ca.Issue(devcert.Request{Name: "Ana"})
	if err != nil {
		log.Fatal(err)
	}

	call("with a certificate", server.MutualConfig(ca), ca.ClientConfig(ana))
	call("without one", server.MutualConfig(ca), ca.ClientConfig())
	call("trusting nobody", server.MutualConfig(ca), &tls.Config{Certificates: []tls.Certificate{ana.TLS}})
}

func call(title string, server, client *tls.Config) {
	srv, err := naru.NewServer(naru.WithTLS(server))
	if err != nil {
		log.Fatal(err)
	}
	greeter.RegisterGreeterServer(srv, personal{})
	conn, stop, err := loopback.Serve(srv, naru.WithTLS(client))
	if err != nil {
		log.Fatal(err)
	}
	reply, err := greeter.NewGreeterClient(conn).SayHello(context.Background(), &greeter.HelloRequest{})
	if err != nil {
		fmt.Printf("%s: %v\n", title, status.Code(err))
	} else {
		fmt.Printf("%s: %s\n", title, reply.GetMessage())
	}
	if err := stop(); err != nil {
		log.Fatal(err)
	}
}
