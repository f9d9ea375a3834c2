package doctor_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/credentials/devcert"
	"github.com/naru-rpc/naru/health"
	"github.com/naru-rpc/naru/internal/h2"
	"github.com/naru-rpc/naru/internal/h2/frame"
	"github.com/naru-rpc/naru/limits"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/reflection"
)

// listen returns a listener that is closed when the test ends.
func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lis.Close() })
	return lis
}

// serve runs a server with health and, unless bare, reflection, and returns its address.
func serve(t *testing.T, bare bool, opts ...naru.ServerOption) string {
	t.Helper()
	srv, err := naru.NewServer(append(opts, naru.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	health.Register(srv, health.NewServer())
	if !bare {
		reflection.Register(srv)
	}
	lis := listen(t)
	served := make(chan error, 1) // Serve's one result
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return lis.Addr().String()
}

// issued returns the configuration of a server with a certificate, and the file of its authority.
func issued(t *testing.T, r devcert.Request) (*tls.Config, string) {
	t.Helper()
	ca, err := devcert.NewAuthority("doctor", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(r)
	if err != nil {
		t.Fatal(err)
	}
	return cert.ServerConfig(), writeFile(t, ca.CertPEM())
}

func writeFile(t *testing.T, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

var local = devcert.Request{Hosts: []string{"127.0.0.1", "localhost"}}

func healthy(t *testing.T) []string { return []string{serve(t, false)} }

func healthyTLS(t *testing.T) []string {
	cfg, ca := issued(t, local)
	return []string{serve(t, false, naru.WithTLS(cfg)), "--ca", ca}
}

func wrongSAN(t *testing.T) []string {
	cfg, ca := issued(t, devcert.Request{Hosts: []string{"elsewhere.example"}})
	return []string{serve(t, false, naru.WithTLS(cfg)), "--ca", ca}
}

func expired(t *testing.T) []string {
	r := local
	r.Lifetime = -time.Hour
	cfg, ca := issued(t, r)
	return []string{serve(t, false, naru.WithTLS(cfg)), "--ca", ca}
}

func unknownAuthority(t *testing.T) []string {
	cfg, _ := issued(t, local)
	_, other := issued(t, local)
	return []string{serve(t, false, naru.WithTLS(cfg)), "--ca", other}
}

// noALPN accepts TLS connections without a protocol, and says nothing on them.
func noALPN(t *testing.T) []string {
	cfg, ca := issued(t, local)
	cfg.NextProtos = nil
	return []string{accept(t, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, tls.Server(c, cfg))
	}), "--ca", ca, "--connect-timeout", "500ms"}
}

// accept handles each connection until its other side closes it.
func accept(t *testing.T, handle func(net.Conn)) string {
	lis := listen(t)
	done := make(chan struct{}) // closed when the last connection has ended
	conns := make(chan struct{}, 100)
	go func() {
		defer close(done)
		n := 0
		for {
			c, err := lis.Accept()
			if err != nil {
				break
			}
			n++
			go func() {
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				handle(c)
				c.Close()
				conns <- struct{}{}
			}()
		}
		for range n {
			<-conns
		}
	}()
	t.Cleanup(func() {
		lis.Close()
		<-done
	})
	return lis.Addr().String()
}

// http1Proxy is net/http's reverse proxy before a healthy server.
func http1Proxy(t *testing.T) []string {
	backend, err := url.Parse("http://" + serve(t, false))
	if err != nil {
		t.Fatal(err)
	}
	handler := httputil.NewSingleHostReverseProxy(backend)
	handler.ErrorLog = log.New(io.Discard, "", 0)
	lis := listen(t)
	proxy := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan error, 1) // the one result of Serve
	go func() { served <- proxy.Serve(lis) }()
	t.Cleanup(func() {
		proxy.Close()
		<-served
	})
	return []string{lis.Addr().String()}
}

// nginx answers as an nginx without HTTP/2 does.
func nginx(t *testing.T) []string {
	return []string{accept(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.24.0\r\nDate: "+time.Now().UTC().Format(http.TimeFormat)+"\r\nContent-Length: 0\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	})}
}

func headerLimit(t *testing.T) []string {
	return []string{serve(t, false, naru.WithLimits(limits.Limits{MaxHeaderListSize: 1024}))}
}

// defaultPings is a server that ends connections for pings as grpc-go does by default.
func defaultPings(t *testing.T) []string {
	return []string{serve(t, false, naru.WithLimits(limits.Limits{PingStrikes: 1}))}
}

// strictPings ends connections at the second ping and at the first call.
func strictPings(t *testing.T) []string {
	return []string{accept(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		if _, err := in.Discard(len(h2.Preface)); err != nil {
			return
		}
		if _, err := c.Write(frame.AppendSettings(nil, false)); err != nil {
			return
		}
		for pings := 0; ; {
			head := make([]byte, frame.HeaderLen)
			if _, err := io.ReadFull(in, head); err != nil {
				return
			}
			h := frame.ParseHeader(head)
			payload := make([]byte, h.Length)
			if _, err := io.ReadFull(in, payload); err != nil || h.Type == frame.TypeHeaders {
				return
			}
			answer := []byte(nil)
			if h.Type == frame.TypePing {
				pings++
				answer = frame.AppendPing(nil, true, frame.ParsePing(payload))
			}
			if pings == 2 {
				answer = frame.AppendGoAway(nil, 0, frame.EnhanceYourCalm, "too_many_pings")
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})}
}

func closedPort(t *testing.T) []string {
	lis := listen(t)
	lis.Close()
	return []string{lis.Addr().String()}
}

// silent accepts connections and never says anything.
func silent(t *testing.T) []string {
	return []string{accept(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }), "--connect-timeout", "300ms"}
}

func noReflection(t *testing.T) []string { return []string{serve(t, true)} }

// clockAhead sends a Date that is ten minutes ahead.
func clockAhead(t *testing.T) []string {
	date := func(ctx context.Context, _ *naru.Call, next func(context.Context) error) error {
		if err := naru.SetHeader(ctx, metadata.Pairs("date", time.Now().Add(10*time.Minute).UTC().Format(http.TimeFormat))); err != nil {
			return err
		}
		return next(ctx)
	}
	return []string{serve(t, false, naru.WithInterceptors(date))}
}

// fromTheFuture has a certificate that an authority with a clock two hours ahead has issued.
func fromTheFuture(t *testing.T) []string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "future"},
		NotBefore: time.Now().Add(2 * time.Hour), NotAfter: time.Now().Add(3 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	cfg := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return []string{serve(t, false, naru.WithTLS(cfg)), "--ca", ca}
}

func oneStream(t *testing.T) []string {
	return []string{serve(t, false, naru.WithLimits(limits.Limits{MaxConcurrentStreams: 1}))}
}

func messageLimit(t *testing.T) []string {
	return []string{serve(t, false, naru.WithLimits(limits.Limits{MaxReceiveMessageSize: 1024}))}
}

// mutualTLS wants a client certificate that is not given.
func mutualTLS(t *testing.T) []string {
	cfg, ca := issued(t, local)
	cfg.ClientAuth = tls.RequireAnyClientCert
	return []string{serve(t, false, naru.WithTLS(cfg)), "--ca", ca}
}

// cutIdle closes connections after the server's first frame and 50 ms.
func cutIdle(t *testing.T) []string {
	return []string{serve(t, false, naru.WithKeepalive(naru.Keepalive{MaxConnectionIdle: 50 * time.Millisecond})), "--idle", "5s", "--no-pings"}
}
