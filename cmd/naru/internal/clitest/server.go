package clitest

import (
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

// shop serves the shop with its sample orders, reflection and health until the script ends.
func (s *script) shop(args []string) {
	var opts []naru.ServerOption
	if slices.Contains(args, "tls") {
		ca, err := devcert.NewAuthority("script", time.Hour)
		if err != nil {
			s.t.Fatal(err)
		}
		cert, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1"}})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.work, "ca.pem"), ca.CertPEM(), 0o666); err != nil {
			s.t.Fatal(err)
		}
		opts = append(opts, naru.WithTLS(cert.ServerConfig()))
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
	health.Register(srv, health.NewServer())
	reflection.Register(srv)
	lis := s.bind()
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

func (s *script) bind() net.Listener {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = lis.Addr().String()
	return lis
}

// listen accepts connections, sends a text on each and waits for the other side to close. Without a text it
// closes the port at once, so that nothing listens there.
func (s *script) listen(args []string) {
	lis := s.bind()
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
