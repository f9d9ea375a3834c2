package features

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// listen serves the test service on a socket, and returns its address.
func listen(t *testing.T, network, addr string, opts ...naru.ServerOption) string {
	t.Helper()
	srv, err := naru.NewServer(append([]naru.ServerOption{naru.WithLogger(quiet)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{name: "socket"}
	b.does(func(context.Context, string) (string, error) { return b.name, nil })
	srv.RegisterService(b.desc())
	lis, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(lis)
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		<-ended
	})
	return lis.Addr().String()
}

// ask makes one call to a target.
func ask(t *testing.T, target string, opts ...naru.ClientOption) error {
	t.Helper()
	c, err := naru.NewClient(target, opts...)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	defer c.Close()
	return c.Invoke(t.Context(), idempotent, wrapperspb.String("q"), new(text), naru.WithTimeout(10*time.Second))
}

func devCert(t *testing.T) (*devcert.Authority, *devcert.Certificate) {
	t.Helper()
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(devcert.Request{Hosts: []string{"localhost", "127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	return ca, cert
}

// TestTLSByClientHello: a server may choose its configuration by the client's hello, and need not
// know of ALPN to do so.
func TestTLSByClientHello(t *testing.T) {
	ca, cert := devCert(t)
	chosen := cert.ServerConfig()
	for name, choose := range map[string]func(*tls.ClientHelloInfo) (*tls.Config, error){
		"another": func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil },
		"none":    func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil },
	} {
		cfg := cert.ServerConfig()
		cfg.GetConfigForClient = choose
		addr := listen(t, "tcp", "127.0.0.1:0", naru.WithTLS(cfg))
		if err := ask(t, addr, naru.WithTLS(ca.ClientConfig())); err != nil {
			t.Errorf("%s configuration for the client: %v", name, err)
		}
	}
	if len(chosen.NextProtos) > 0 {
		t.Errorf("the program's own configuration was changed: %q", chosen.NextProtos)
	}
}

// TestALPNFailureNamesTheOffer: the error says what the client offered and what the server
// selected.
func TestALPNFailureNamesTheOffer(t *testing.T) {
	ca, cert := devCert(t)
	for selected, want := range map[string]string{"": `offered "h2", and the server selected nothing`, "http/1.1": "no application protocol"} {
		cfg := cert.ServerConfig()
		if selected != "" {
			cfg.NextProtos = []string{selected}
		}
		lis, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				nc, err := lis.Accept()
				if err != nil {
					return
				}
				_ = nc.(*tls.Conn).Handshake()
				nc.Close()
			}
		}()
		wantText(t, ask(t, lis.Addr().String(), naru.WithTLS(ca.ClientConfig())), want)
		lis.Close()
		<-done
	}
}

// TestTLSFromFiles: one line on each side, with and without certificates of clients.
func TestTLSFromFiles(t *testing.T) {
	ca, cert := devCert(t)
	dir := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key, err := cert.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	caFile, certFile, keyFile := file("ca.pem", ca.CertPEM()), file("cert.pem", cert.CertPEM()), file("key.pem", key)
	own := credentials.TLSFiles{Cert: certFile, Key: keyFile}
	mutual := credentials.TLSFiles{Cert: certFile, Key: keyFile, CA: caFile}

	open, closed := listen(t, "tcp", "127.0.0.1:0", naru.WithTLSFiles(own)), listen(t, "tcp", "127.0.0.1:0", naru.WithTLSFiles(mutual))
	if err := ask(t, open, naru.WithTLSFiles(credentials.TLSFiles{CA: caFile})); err != nil {
		t.Errorf("a server with a certificate: %v", err)
	}
	if err := ask(t, closed, naru.WithTLSFiles(mutual)); err != nil {
		t.Errorf("certificates on both sides: %v", err)
	}
	wantText(t, ask(t, closed, naru.WithTLSFiles(credentials.TLSFiles{CA: caFile})), "certificate")
	wantText(t, ask(t, open, naru.WithTLSFiles(credentials.TLSFiles{})), "an authority that is not trusted")

	_, err = naru.NewServer(naru.WithTLSFiles(credentials.TLSFiles{CA: caFile}))
	wantText(t, err, "WithTLSFiles: a server needs a certificate")
	_, err = naru.NewClient("x:1", naru.WithTLSFiles(credentials.TLSFiles{CA: filepath.Join(dir, "gone")}))
	wantText(t, err, "no such file")
}
