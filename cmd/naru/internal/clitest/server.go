package clitest

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/examples/shop"
	"github.com/naru-rpc/naru/examples/shop/store"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/reflection"
)

// shop serves the shop with its sample orders until the script ends.
func (s *script) shop(args []string) {
	has := func(option string) bool { return slices.Contains(args, option) }
	var opts []naru.ServerOption
	if has("tls") || has("mtls") || has("spiffe") {
		opts = append(opts, naru.WithTLS(s.certificates(has("mtls"), has("spiffe"))))
	}
	st, err := store.OpenTemporary(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	srv, err := naru.NewServer(opts...)
	if err != nil {
		s.t.Fatal(err)
	}
	shop.Register(srv, st)
	if !has("bare") {
		h := health.NewServer()
		h.SetServingStatus("ecommerce.ProductInfo", health.Serving)
		if has("sick") {
			h.SetServingStatus("ecommerce.OrderManagement", health.NotServing)
		}
		health.Register(srv, h)
		reflection.Register(srv)
	}
	lis := s.bind(has("unix"))
	served := make(chan error, 1) // Serve's one result
	go func() { served <- srv.Serve(lis) }()
	s.t.Cleanup(func() {
		srv.Close()
		<-served
		if err := st.Close(); err != nil {
			s.t.Error(err)
		}
	})
}

// certificates makes an authority, a server's configuration, and a client's files in the script's
// folder.
func (s *script) certificates(mutual, spiffe bool) *tls.Config {
	ca, err := devcert.NewAuthority("script", time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	hosts := []string{"localhost", "127.0.0.1"}
	if spiffe {
		hosts = []string{"spiffe://example.org/shop"}
	}
	cert, err := ca.Issue(devcert.Request{Hosts: hosts})
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := ca.Issue(devcert.Request{Hosts: []string{"client"}})
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := client.KeyPEM()
	if err != nil {
		s.t.Fatal(err)
	}
	for name, data := range map[string][]byte{"ca.pem": ca.CertPEM(), "client.pem": client.CertPEM(), "client-key.pem": key} {
		if err := os.WriteFile(filepath.Join(s.work, name), data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	cfg := cert.ServerConfig()
	if mutual {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	}
	return cfg
}

func (s *script) bind(unix bool) net.Listener {
	if unix {
		path := filepath.Join(s.work, "s")
		lis, err := net.Listen("unix", path)
		if err != nil {
			s.t.Fatal(err)
		}
		s.addr = "unix:" + path
		return lis
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = lis.Addr().String()
	return lis
}

// listen accepts connections, sends a text on each and waits for the other side to close. Without a
// text it closes the port at once, so that nothing listens there.
func (s *script) listen(args []string) {
	lis := s.bind(false)
	if len(args) == 0 {
		lis.Close()
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, args[0])
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, _ = io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	s.t.Cleanup(func() {
		lis.Close()
		<-done
	})
}
