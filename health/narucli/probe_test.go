package narucli_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/health/narucli"
	"github.com/naru-rpc/naru/narutest"
)

func TestMain(m *testing.M) { narutest.VerifyTestMain(m) }

// serve serves h on lis until the test ends; a nil h leaves out the health service.
func serve(t *testing.T, lis net.Listener, h *health.Server, opts ...naru.ServerOption) {
	t.Helper()
	srv, err := naru.NewServer(opts...)
	if err != nil {
		t.Fatal(err)
	}
	if h != nil {
		health.Register(srv, h)
	}
	served := make(chan error, 1) // Serve's one result
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
}

func listen(t *testing.T, network, addr string) net.Listener {
	t.Helper()
	lis, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// outcome is what a command line is expected to give.
type outcome struct {
	args string
	code int
	text string // part of the output
}

func check(t *testing.T, cases []outcome, replace ...string) {
	t.Helper()
	r := strings.NewReplacer(replace...)
	for _, c := range cases {
		var out strings.Builder
		code := narucli.Probe(t.Context(), "probe", strings.Fields(r.Replace(c.args)), &out)
		if code != c.code || !strings.Contains(out.String(), c.text) {
			t.Errorf("%s\nexit code %d, want %d; output:\n%swant %q in it", c.args, code, c.code, out.String(), c.text)
		}
	}
}

func TestPlaintext(t *testing.T) {
	h := health.NewServer()
	h.SetServingStatus("shop.Orders", health.NotServing)
	lis, socket := listen(t, "tcp", "127.0.0.1:0"), filepath.Join(t.TempDir(), "s")
	bare, closed, silent := listen(t, "tcp", "127.0.0.1:0"), listen(t, "tcp", "127.0.0.1:0"), listen(t, "tcp", "127.0.0.1:0")
	serve(t, lis, h)
	serve(t, listen(t, "unix", socket), h)
	serve(t, bare, nil)
	closed.Close()
	t.Cleanup(func() { silent.Close() }) // the backlog accepts, nobody answers
	check(t, []outcome{
		{"-addr=ADDR", 0, "status: SERVING\n"},
		{"ADDR", 0, "status: SERVING\n"},
		{"--addr unix:SOCKET", 0, "status: SERVING\n"},
		{"-addr ADDR -v -gzip -rpc-header x-a:b", 0, "time elapsed: connect="},
		{"-addr ADDR -service shop.Orders", 4, `service unhealthy (responded with "NOT_SERVING")`},
		{"-addr ADDR -service shop.None", 3, "error: health rpc failed: NOT_FOUND"},
		{"-addr BARE", 3, "does not implement the grpc health protocol"},
		{"-addr CLOSED -connect-timeout 50ms", 2, "refused"},
		{"-addr SILENT -connect-timeout 50ms", 2, "timeout: failed to connect"},
		{"-addr ADDR -tls -connect-timeout 300ms", 2, "TLS handshake"},
	}, "ADDR", lis.Addr().String(), "SOCKET", socket, "BARE", bare.Addr().String(), "CLOSED", closed.Addr().String(), "SILENT", silent.Addr().String())
}

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "empty.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, []outcome{
		{"", 1, "-addr not specified"},
		{"-addr a:1 b:1", 1, `unexpected argument "b:1"`},
		{"-addr a:1 -nonsense", 1, "nonsense"},
		{"-addr a:1 -connect-timeout 0", 1, "-connect-timeout"},
		{"-addr a:1 -rpc-timeout -1s", 1, "-rpc-timeout must be greater than zero (specified: -1s)"},
		{"-addr a:1 -rpc-header nonsense", 1, `want "name: value"`},
		{"-addr a:1 -tls-no-verify", 1, "specified -tls-no-verify without specifying -tls"},
		{"-addr a:1 -tls-ca-cert x", 1, "specified -tls-ca-cert without specifying -tls"},
		{"-addr a:1 -tls-server-name x", 1, "specified -tls-server-name without specifying -tls"},
		{"-addr a:1 -tls -tls-client-cert x", 1, "without specifying -tls-client-key"},
		{"-addr a:1 -tls -tls-client-key x", 1, "without specifying -tls-client-cert"},
		{"-addr a:1 -tls -tls-no-verify -tls-ca-cert x", 1, "cannot specify -tls-ca-cert with -tls-no-verify"},
		{"-addr a:1 -tls -tls-no-verify -tls-server-name x", 1, "cannot specify -tls-server-name with -tls-no-verify"},
		{"-addr a:1 -tls -tls-no-verify -tls-spiffe-id x", 1, "cannot specify -tls-spiffe-id"},
		{"-addr a:1 -tls -tls-ca-cert DIR/gone.pem", 1, "gone.pem"},
		{"-addr a:1 -tls -tls-ca-cert DIR/empty.pem", 1, "empty.pem"},
		{"-addr a:1 -tls -tls-spiffe-id https://x", 1, "is not a SPIFFE ID"},
		{"-addr a:1 -tls -tls-spiffe-id spiffe://x", 1, "needs the certificates of its trust domain"},
		{"-addr a:1 -alts", 1, "-alts is not available"},
		{"-addr a:1 -spiffe", 20, "Workload API is not available"},
		{"-version", 0, ""},
		{"-help", 0, "Exit codes: 0 SERVING"},
	}, "DIR", dir)
}

// pki is an authority's files in a folder.
func pki(t *testing.T, hosts ...string) (dir string, ca *devcert.Authority, server *devcert.Certificate) {
	t.Helper()
	dir = t.TempDir()
	ca, err := devcert.NewAuthority("probe", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	server, err = ca.Issue(devcert.Request{Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue(devcert.Request{Name: "client", Hosts: []string{"client"}})
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name+".pem"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ca", ca.CertPEM())
	for name, c := range map[string]*devcert.Certificate{"server": server, "client": client} {
		key, err := c.KeyPEM()
		if err != nil {
			t.Fatal(err)
		}
		write(name, c.CertPEM())
		write(name+"key", key)
	}
	return dir, ca, server
}

func TestTLS(t *testing.T) {
	dir, _, _ := pki(t, "shop.example")
	lis := listen(t, "tcp", "127.0.0.1:0")
	at := func(name string) string { return filepath.Join(dir, name+".pem") }
	serve(t, lis, health.NewServer(), naru.WithTLSFiles(credentials.TLSFiles{CA: at("ca"), Cert: at("server"), Key: at("serverkey")}))
	mutual := "-tls -tls-client-cert DIR/client.pem -tls-client-key DIR/clientkey.pem -connect-timeout 3s -rpc-timeout 3s -addr ADDR "
	check(t, []outcome{
		{mutual + "-tls-ca-cert DIR/ca.pem -tls-server-name shop.example", 0, "status: SERVING"},
		{mutual + "-tls-no-verify", 0, "status: SERVING"},
		{"-addr ADDR -connect-timeout 300ms", 2, "timeout: failed to connect"},
	}, "ADDR", lis.Addr().String(), "DIR", dir)
	check(t, []outcome{
		{mutual + "-tls-ca-cert DIR/ca.pem -connect-timeout 300ms", 2, "127.0.0.1"},
		{"-addr ADDR -tls -tls-no-verify -connect-timeout 300ms -rpc-timeout 300ms", 2, ""},
	}, "ADDR", lis.Addr().String(), "DIR", dir)
}

func TestSPIFFE(t *testing.T) {
	dir, ca, server := pki(t, "spiffe://example.org/shop")
	two, err := ca.Issue(devcert.Request{Hosts: []string{"spiffe://example.org/shop", "spiffe://example.org/other"}})
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := pki(t, "x")
	one, both := listen(t, "tcp", "127.0.0.1:0"), listen(t, "tcp", "127.0.0.1:0")
	serve(t, one, health.NewServer(), naru.WithTLS(server.ServerConfig()))
	serve(t, both, health.NewServer(), naru.WithTLS(two.ServerConfig()))
	flags := "-addr ONE -tls -connect-timeout 3s -rpc-timeout 3s -tls-ca-cert DIR/ca.pem -tls-spiffe-id "
	check(t, []outcome{
		{flags + "spiffe://example.org/shop", 0, "status: SERVING"},
		{flags + "spiffe://EXAMPLE.org", 0, "status: SERVING"},
	}, "ONE", one.Addr().String(), "DIR", dir)
	flags = strings.ReplaceAll(flags, "3s", "300ms")
	check(t, []outcome{
		{flags + "spiffe://example.org/shop/x", 2, "the server's SPIFFE ID is spiffe://example.org/shop, want spiffe://example.org/shop/x"},
		{flags + "spiffe://example.com", 2, "the server's SPIFFE ID is"},
		{strings.ReplaceAll(flags, "ONE", "BOTH") + "spiffe://example.org/shop", 2, "2 URI names"},
		{strings.ReplaceAll(flags, "DIR", "OTHER") + "spiffe://example.org/shop", 2, "unknown authority"},
	}, "ONE", one.Addr().String(), "BOTH", both.Addr().String(), "DIR", dir, "OTHER", other)
}

func TestInterrupt(t *testing.T) {
	lis := listen(t, "tcp", "127.0.0.1:0")
	defer lis.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := narucli.Probe(ctx, "probe", []string{"-addr", lis.Addr().String(), "-connect-timeout", "1m"}, &out); code != narucli.ExitNotConnected {
		t.Errorf("exit code %d, output %s", code, out.String())
	}
}
