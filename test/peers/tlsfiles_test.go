package peers

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	ncredentials "github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	nhealth "github.com/naru-rpc/naru/health"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
)

// tlsFiles are an authority and two certificates of it as files, and as grpc-go wants them.
type tlsFiles struct {
	ca             string
	server, client ncredentials.TLSFiles // without CA
	pool           *x509.CertPool
}

func newTLSFiles(t *testing.T) *tlsFiles {
	t.Helper()
	ca, err := devcert.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := &tlsFiles{ca: write("ca.pem", ca.CertPEM()), pool: x509.NewCertPool()}
	f.pool.AppendCertsFromPEM(ca.CertPEM())
	for name, to := range map[string]*ncredentials.TLSFiles{"server": &f.server, "client": &f.client} {
		cert, err := ca.Issue(devcert.Request{Hosts: []string{"127.0.0.1", name}})
		if err != nil {
			t.Fatal(err)
		}
		key, err := cert.KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		to.Cert, to.Key = write(name+".pem", cert.CertPEM()), write(name+".key", key)
	}
	return f
}

func pair509(t *testing.T, f ncredentials.TLSFiles) []tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{c}
}

// TestTLSFilesAgainstGRPCGo: WithTLSFiles on either side does with grpc-go what a tls.Config does,
// with and without certificates of clients, and lets nobody in whom it must not.
func TestTLSFilesAgainstGRPCGo(t *testing.T) {
	f := newTLSFiles(t)
	t.Run("naru client", func(t *testing.T) {
		for _, mutual := range []bool{false, true} {
			cfg := &tls.Config{Certificates: pair509(t, f.server)}
			if mutual {
				cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, f.pool
			}
			srv := grpc.NewServer(grpc.Creds(credentials.NewTLS(cfg)))
			healthgrpc.RegisterHealthServer(srv, health.NewServer())
			lis := listenLocal(t)
			ended := make(chan struct{})
			go func() { defer close(ended); _ = srv.Serve(lis) }()
			t.Cleanup(func() { srv.Stop(); <-ended })
			for _, own := range []bool{false, true} {
				files := ncredentials.TLSFiles{CA: f.ca}
				if own {
					files.Cert, files.Key = f.client.Cert, f.client.Key
				}
				c, err := naru.NewClient(lis.Addr().String(), naru.WithTLSFiles(files))
				if err != nil {
					t.Fatal(err)
				}
				_, err = nhealth.Check(t.Context(), c, "", naru.WithTimeout(10*time.Second))
				if want := own || !mutual; (err == nil) != want {
					t.Errorf("server wants a certificate: %t, client has one: %t: %v", mutual, own, err)
				}
				_ = c.Close()
			}
		}
		c, err := naru.NewClient("127.0.0.1:1", naru.WithTLSFiles(ncredentials.TLSFiles{CA: f.server.Key}))
		if err == nil {
			_ = c.Close()
			t.Error("a key was taken for an authority")
		}
	})
	t.Run("naru server", func(t *testing.T) {
		for _, mutual := range []bool{false, true} {
			files := f.server
			if mutual {
				files.CA = f.ca
			}
			srv, err := naru.NewServer(naru.WithTLSFiles(files))
			if err != nil {
				t.Fatal(err)
			}
			nhealth.Register(srv, nhealth.NewServer())
			lis := listenLocal(t)
			ended := make(chan struct{})
			go func() { defer close(ended); _ = srv.Serve(lis) }()
			t.Cleanup(func() { _ = srv.Close(); <-ended })
			for _, own := range []bool{false, true} {
				cfg := &tls.Config{RootCAs: f.pool}
				if own {
					cfg.Certificates = pair509(t, f.client)
				}
				cc, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
				if err != nil {
					t.Fatal(err)
				}
				_, err = healthgrpc.NewHealthClient(cc).Check(t.Context(), &healthgrpc.HealthCheckRequest{})
				if want := own || !mutual; (err == nil) != want {
					t.Errorf("server wants a certificate: %t, client has one: %t: %v", mutual, own, err)
				}
				_ = cc.Close()
			}
		}
	})
}

func listenLocal(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}
