package devcert

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/naru-rpc/naru/internal/leak"
	"github.com/naru-rpc/naru/internal/memnet"
)

func TestMain(m *testing.M) { leak.VerifyTestMain(m) }

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority("test authority", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, r Request) *Certificate {
	t.Helper()
	c, err := a.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// handshake runs one and returns how it ended on either side.
func handshake(server, client *tls.Config, name string) (peer []*x509.Certificate, serverErr, clientErr error) {
	a, b := memnet.Pipe(0)
	defer a.Close()
	client = client.Clone()
	client.ServerName = name
	done := make(chan error, 1)
	srv := tls.Server(b, server)
	go func() {
		defer b.Close()
		if err := srv.Handshake(); err != nil {
			done <- err
			return
		}
		_, err := io.WriteString(srv, "hello")
		done <- err
	}()
	conn := tls.Client(a, client)
	// TLS 1.3 tells a client only on its first read that its certificate was refused.
	_, clientErr = io.ReadFull(conn, make([]byte, 5))
	serverErr = <-done
	return srv.ConnectionState().PeerCertificates, serverErr, clientErr
}

func TestServerNames(t *testing.T) {
	ca := authority(t)
	cert := issue(t, ca, Request{Hosts: []string{"localhost", "*.shop.test", "127.0.0.1", "::1", "spiffe://shop/server"}})
	for name, ok := range map[string]bool{
		"localhost": true, "eu.shop.test": true, "127.0.0.1": true, "::1": true,
		"other.test": false, "shop.test": false, "127.0.0.2": false,
	} {
		_, serverErr, clientErr := handshake(cert.ServerConfig(), ca.ClientConfig(), name)
		if ok && (serverErr != nil || clientErr != nil) {
			t.Errorf("%s: %v, %v", name, serverErr, clientErr)
		}
		var wrongHost x509.HostnameError
		if !ok && !errors.As(clientErr, &wrongHost) {
			t.Errorf("%s: %v, want it refused for its name", name, clientErr)
		}
	}
	leaf := cert.TLS.Leaf
	if len(leaf.URIs) != 1 || leaf.URIs[0].String() != "spiffe://shop/server" || leaf.Subject.CommonName != "localhost" || leaf.IsCA {
		t.Errorf("certificate of %v with URIs %v", leaf.Subject, leaf.URIs)
	}
}

func TestOtherAuthorityIsNotTrusted(t *testing.T) {
	ca, other := authority(t), authority(t)
	cert := issue(t, ca, Request{Hosts: []string{"localhost"}})
	_, _, clientErr := handshake(cert.ServerConfig(), other.ClientConfig(), "localhost")
	var unknown x509.UnknownAuthorityError
	if !errors.As(clientErr, &unknown) {
		t.Errorf("%v, want an unknown authority", clientErr)
	}
}

func TestMutual(t *testing.T) {
	ca, other := authority(t), authority(t)
	server := issue(t, ca, Request{Hosts: []string{"localhost"}})
	good := issue(t, ca, Request{Name: "client 7", Hosts: []string{"spiffe://shop/client"}})
	bad := issue(t, other, Request{Name: "stranger"})
	config := server.MutualConfig(ca)

	peer, serverErr, clientErr := handshake(config, ca.ClientConfig(good), "localhost")
	if serverErr != nil || clientErr != nil || len(peer) == 0 || peer[0].Subject.CommonName != "client 7" {
		t.Errorf("with its certificate: %v, %v, peer %v", serverErr, clientErr, peer)
	}
	for name, client := range map[string]*tls.Config{"none": ca.ClientConfig(), "stranger": ca.ClientConfig(bad)} {
		if _, serverErr, clientErr := handshake(config, client, "localhost"); serverErr == nil || clientErr == nil {
			t.Errorf("%s: %v, %v; want it refused", name, serverErr, clientErr)
		}
	}
}

func TestLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := authority(t)
		cert := issue(t, ca, Request{Hosts: []string{"localhost"}, Lifetime: time.Hour})
		whole := issue(t, ca, Request{Hosts: []string{"localhost"}})
		expired := issue(t, ca, Request{Hosts: []string{"localhost"}, Lifetime: -time.Hour})
		check := func(c *Certificate, want bool, why string) {
			t.Helper()
			_, _, err := handshake(c.ServerConfig(), ca.ClientConfig(), "localhost")
			var invalid x509.CertificateInvalidError
			switch {
			case want && err != nil:
				t.Errorf("%v, want %s", err, why)
			case !want && (!errors.As(err, &invalid) || invalid.Reason != x509.Expired):
				t.Errorf("%v, want %s", err, why)
			}
		}
		check(cert, true, "it valid from the start")
		check(expired, false, "an expired one")
		<-time.After(time.Hour + time.Second) // in the bubble's time
		check(cert, false, "it expired after its hour")
		check(whole, true, "it valid as long as the authority")
	})
}

func TestPEMRoundTrip(t *testing.T) {
	ca := authority(t)
	key, err := ca.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadAuthority(ca.CertPEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert := issue(t, loaded, Request{Hosts: []string{"localhost"}})
	certKey, err := cert.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert.CertPEM(), certKey)
	if err != nil {
		t.Fatal(err)
	}
	_, serverErr, clientErr := handshake(&tls.Config{Certificates: []tls.Certificate{pair}}, ca.ClientConfig(), "localhost")
	if serverErr != nil || clientErr != nil {
		t.Errorf("certificate of the loaded authority: %v, %v", serverErr, clientErr)
	}
	if _, err := LoadAuthority(cert.CertPEM(), certKey); err == nil || !strings.Contains(err.Error(), "not an authority's") {
		t.Errorf("a leaf loaded as an authority: %v", err)
	}
	if _, err := LoadAuthority(ca.CertPEM(), certKey); err == nil {
		t.Error("a key that is not the certificate's was taken")
	}
	if _, err := LoadAuthority(nil, nil); err == nil {
		t.Error("nothing was taken for an authority")
	}
}

func TestMistakes(t *testing.T) {
	if _, err := NewAuthority("x", 0); err == nil {
		t.Error("an authority without lifetime: no error")
	}
	ca := authority(t)
	for _, host := range []string{"", "localhost:50051", "a b", "example.com/path", "line\n", "http://[bad"} {
		if _, err := ca.Issue(Request{Name: "x", Hosts: []string{host}}); err == nil {
			t.Errorf("host %q: no error", host)
		}
	}
	if c := issue(t, ca, Request{Hosts: []string{net.IPv6loopback.String()}}); len(c.TLS.Leaf.IPAddresses) != 1 {
		t.Errorf("addresses %v, want one", c.TLS.Leaf.IPAddresses)
	}
}
