package channel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// serveConns runs f for each connection to a new listener, until the test ends.
func serveConns(t testing.TB, f func(net.Conn)) (addr string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
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
			func() {
				defer nc.Close()
				f(nc)
			}()
		}
	}()
	t.Cleanup(func() { lis.Close(); <-done })
	return lis.Addr().String()
}

// countedDial is a NetDial that knows how many of its sockets are open.
type countedDial struct{ open atomic.Int32 }

type countedConn struct {
	net.Conn
	once atomic.Bool
	d    *countedDial
}

func (c *countedConn) Close() error {
	if c.once.CompareAndSwap(false, true) {
		c.d.open.Add(-1)
	}
	return c.Conn.Close()
}

func (d *countedDial) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.open.Add(1)
	return &countedConn{Conn: nc, d: d}, nil
}

// settingsFirst is a NewConn that wants one byte of the peer, as if it were its SETTINGS.
func settingsFirst(_ context.Context, nc net.Conn, _ *tls.ConnectionState) (transport.ClientConn, error) {
	nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(nc, make([]byte, 1)); err != nil {
		nc.Close()
		return nil, &transport.Error{Scope: transport.ScopeConn, Origin: transport.OriginNetwork, Token: "read", Reason: "reading", Cause: err}
	}
	c := newFakeConn(nc.RemoteAddr().String(), 1)
	go func() { <-c.done; nc.Close() }()
	return c, nil
}

func tlsServer(cfg *tls.Config, after func(*tls.Conn)) func(net.Conn) {
	return func(nc net.Conn) {
		tc := tls.Server(nc, cfg)
		if tc.Handshake() == nil {
			after(tc)
		}
	}
}

func hello(tc *tls.Conn) { tc.Write([]byte{1}); tc.Read(make([]byte, 1)) }

func TestDialFailures(t *testing.T) {
	ca, stranger := newTestCA(t), newTestCA(t)
	server := func(mod func(*x509.Certificate), change func(*tls.Config)) string {
		cfg := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, mod)}, NextProtos: []string{"h2"}}
		if change != nil {
			change(cfg)
		}
		return serveConns(t, tlsServer(cfg, hello))
	}
	refused := func() string {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		lis.Close()
		return lis.Addr().String()
	}
	client := &tls.Config{RootCAs: ca.pool, ServerName: "localhost"}
	for _, tt := range []struct {
		name   string
		addr   resolver.Address
		tls    *tls.Config
		reason connectivity.Reason
		text   string
	}{
		{"refused", resolver.Address{Addr: refused()}, nil, connectivity.Refused, "connection refused"},
		{"no such socket", resolver.Address{Network: "unix", Addr: filepath.Join(t.TempDir(), "none")}, nil, connectivity.Refused, "no such file"},
		{"name", resolver.Address{Addr: "name.invalid:1"}, nil, connectivity.NameResolution, "name.invalid"},
		{"expired", resolver.Address{Addr: server(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, nil)}, client, connectivity.CertificateExpired, "expired at"},
		{"other name", resolver.Address{Addr: server(func(c *x509.Certificate) { c.DNSNames = []string{"other"} }, nil)}, client, connectivity.CertificateName, `not for "localhost"`},
		{"common name only", resolver.Address{Addr: server(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }, nil)}, client, connectivity.CertificateName, "common name only"},
		{"unknown authority", resolver.Address{Addr: server(nil, nil)}, &tls.Config{RootCAs: stranger.pool, ServerName: "localhost"}, connectivity.CertificateAuthority, `issuer "CN=test authority"`},
		{"no ALPN", resolver.Address{Addr: server(nil, func(c *tls.Config) { c.NextProtos = nil })}, client, connectivity.ALPN, "ALPN"},
		{"other ALPN", resolver.Address{Addr: server(nil, func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })}, client, connectivity.ALPN, "ALPN"},
		{"client certificate missing", resolver.Address{Addr: server(nil, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert })}, client, connectivity.ClientCertificate, "requires a client certificate"},
		{"not TLS", resolver.Address{Addr: serveConns(t, func(nc net.Conn) { nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")); nc.Read(make([]byte, 1000)) })}, client, connectivity.NotTLS, "does not speak TLS"},
		{"closes during the handshake", resolver.Address{Addr: serveConns(t, func(nc net.Conn) { nc.Read(make([]byte, 10)) })}, client, connectivity.TLS, "handshake"},
		{"no SETTINGS", resolver.Address{Addr: serveConns(t, func(net.Conn) {})}, nil, connectivity.Preface, "does it expect TLS?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sockets countedDial
			d := &Dialer{NewConn: settingsFirst, TLS: always(tt.tls), NetDial: sockets.dial}
			_, err := d.Dial(t.Context(), Destination{Address: tt.addr})
			var f *connectivity.Failure
			if !errors.As(err, &f) || f.Reason != tt.reason || !strings.Contains(f.Error(), tt.text) || !strings.Contains(f.Error(), tt.addr.Addr) {
				t.Errorf("got %v (%+v), want reason %s, text %q and the address", err, f, tt.reason, tt.text)
			}
			if n := sockets.open.Load(); n != 0 {
				t.Errorf("%d sockets were left open", n)
			}
		})
	}
}

func TestDialTLS(t *testing.T) {
	ca := newTestCA(t)
	names := make(chan string, 1)
	cfg := &tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, nil)}, NextProtos: []string{"h2"},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { names <- h.ServerName; return nil, nil },
	}
	d := &Dialer{NewConn: settingsFirst, TLS: always(&tls.Config{RootCAs: ca.pool})}
	addr := serveConns(t, tlsServer(cfg, hello))
	conn, err := d.Dial(t.Context(), Destination{Address: resolver.Address{Addr: addr, ServerName: "localhost:50051"}})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(nil)
	if got := <-names; got != "localhost" {
		t.Errorf("the server was asked for %q, want localhost: the authority without its port", got)
	}
}

func TestDialGivesUpWithItsContext(t *testing.T) {
	release := make(chan struct{})
	addr := serveConns(t, func(net.Conn) { <-release })
	defer close(release)
	ca := newTestCA(t)
	var sockets countedDial
	d := &Dialer{NewConn: settingsFirst, TLS: always(&tls.Config{RootCAs: ca.pool}), NetDial: sockets.dial}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Dial(ctx, Destination{Address: resolver.Address{Addr: addr, ServerName: "localhost"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
	if n := sockets.open.Load(); n != 0 {
		t.Errorf("%d sockets were left open", n)
	}
}

func TestTimeoutNamesStageAndSetting(t *testing.T) {
	f := withTimeout(resolver.Address{Addr: "a:1"}, 20*time.Second, prefaceFailure(resolver.Address{Addr: "a:1"}, errors.New("x"), false))
	if f.Reason != connectivity.Preface || !strings.Contains(f.Text, "connect timeout of 20s") || !strings.Contains(f.Text, "HTTP/2") {
		t.Errorf("got %+v, want the preface and the connect timeout", f)
	}
}

// always returns what returns cfg; nil for none.
func always(cfg *tls.Config) func() *tls.Config {
	if cfg == nil {
		return nil
	}
	return func() *tls.Config { return cfg }
}
