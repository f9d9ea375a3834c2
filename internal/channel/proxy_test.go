package channel

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/call/client"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// connectProxy answers CONNECT and then speaks for the backend: an "h" for its SETTINGS.
type connectProxy struct {
	asked chan *http.Request // capacity 10
	reply string             // "" opens the tunnel
}

func newConnectProxy() *connectProxy { return &connectProxy{asked: make(chan *http.Request, 10)} }

func (p *connectProxy) serve(nc net.Conn) {
	req, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil {
		return
	}
	p.asked <- req
	if p.reply != "" {
		io.WriteString(nc, p.reply)
		return
	}
	// The backend's first byte comes in the same packet as the answer.
	io.WriteString(nc, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\nh")
	nc.Read(make([]byte, 1))
}

func TestProxy(t *testing.T) {
	p := newConnectProxy()
	proxy := &url.URL{Scheme: "http", Host: serveConns(t, p.serve), User: url.UserPassword("me", "secret")}
	d := &Dialer{NewConn: settingsFirst}
	conn, err := d.Dial(t.Context(), Destination{Address: resolver.Address{Addr: "shop.example.com:443"}, Proxy: proxy})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(nil)
	req := <-p.asked
	if req.Method != "CONNECT" || req.Host != "shop.example.com:443" || req.RequestURI != "shop.example.com:443" {
		t.Errorf("asked %s %s for host %s, want CONNECT shop.example.com:443", req.Method, req.RequestURI, req.Host)
	}
	if got := req.Header.Get("Proxy-Authorization"); got != "Basic bWU6c2VjcmV0" {
		t.Errorf("Proxy-Authorization: got %q", got)
	}
}

func TestProxyOverTLS(t *testing.T) {
	ca, p := newTestCA(t), newConnectProxy()
	addr := serveConns(t, func(nc net.Conn) {
		tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{ca.issue(t, nil)}})
		p.serve(tc)
	})
	proxy := &url.URL{Scheme: "https", Host: addr}
	d := &Dialer{NewConn: settingsFirst, ProxyTLS: &tls.Config{RootCAs: ca.pool}}
	conn, err := d.Dial(t.Context(), Destination{Address: resolver.Address{Addr: "shop:443"}, Proxy: proxy})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close(nil)
	<-p.asked
	d.ProxyTLS = nil
	_, err = d.Dial(t.Context(), Destination{Address: resolver.Address{Addr: "shop:443"}, Proxy: proxy})
	if err == nil || !strings.Contains(err.Error(), "authority that is not trusted") {
		t.Errorf("a proxy with a certificate of nobody known: got %v", err)
	}
}

func TestProxyFailures(t *testing.T) {
	serve := func(reply string) *url.URL {
		p := newConnectProxy()
		p.reply = reply
		return &url.URL{Scheme: "http", Host: serveConns(t, p.serve), User: url.UserPassword("me", "secret")}
	}
	for _, tt := range []struct {
		name  string
		proxy *url.URL
		want  string
	}{
		{"refuses", serve("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "it answered 407 Proxy Authentication Required"},
		{"closes", &url.URL{Scheme: "http", Host: serveConns(t, func(nc net.Conn) { nc.Read(make([]byte, 1000)) })}, "it closed the connection"},
		{"talks nonsense", serve("SSH-2.0-x\r\n\r\n"), "malformed"},
		{"never ends", serve("HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 20_000)), "EOF"},
		{"other scheme", &url.URL{Scheme: "socks5", Host: "127.0.0.1:1"}, `scheme "socks5" is not supported`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sockets countedDial
			d := &Dialer{NewConn: settingsFirst, NetDial: sockets.dial}
			_, err := d.Dial(t.Context(), Destination{Address: resolver.Address{Addr: "shop:443"}, Proxy: tt.proxy})
			var f *connectivity.Failure
			if !errors.As(err, &f) || f.Reason != connectivity.Proxy {
				t.Fatalf("got %v, want reason proxy", err)
			}
			if tt.want != "EOF" && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the password is in the error: %v", err)
			}
			if n := sockets.open.Load(); n != 0 {
				t.Errorf("%d sockets were left open", n)
			}
		})
	}
}

func TestProxyThatHangs(t *testing.T) {
	release := make(chan struct{})
	proxy := &url.URL{Scheme: "http", Host: serveConns(t, func(net.Conn) { <-release })}
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := (&Dialer{NewConn: settingsFirst}).Dial(ctx, Destination{Address: resolver.Address{Addr: "shop:443"}, Proxy: proxy})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// gRFC A1: a dns name behind a proxy is not looked up; addresses of other schemes are asked for one
// by one.
func TestProxyOfTheChannel(t *testing.T) {
	var got []Destination
	dial := func(n *fakeNet) DialFunc {
		return func(ctx context.Context, to Destination) (transport.ClientConn, error) {
			got = append(got, to)
			return n.Dial(ctx, to)
		}
	}
	proxyURL := &url.URL{Scheme: "http", Host: "proxy:3128"}
	for _, tt := range []struct {
		target, proxied string // what the function says has a proxy
		wantAddr        string
		wantProxy       bool
	}{
		{"dns:///shop.invalid", "shop.invalid:443", "shop.invalid:443", true},
		{"passthrough:///shop:1", "shop:1", "shop:1", true},
		{"passthrough:///shop:1", "other:1", "shop:1", false},
		{"unix:///run/x", "/run/x", "/run/x", false},
		{"dns:///127.0.0.1:1", "127.0.0.2:1", "127.0.0.1:1", false},
	} {
		got = nil
		n := newFakeNet(t)
		c := newTestWith(t, n, Config{
			Target: tt.target, Dial: dial(n),
			Resolvers: resolver.NewRegistry(resolver.DNS(resolver.DNSOptions{}), resolver.Passthrough(), resolver.Unix()),
			Proxy: func(hostport string) (*url.URL, error) {
				if hostport == tt.proxied {
					return proxyURL, nil
				}
				return nil, nil
			},
		})
		_, done := mustPick(t, c, client.PickInfo{})
		done(client.DoneInfo{})
		if len(got) != 1 || got[0].Addr != tt.wantAddr || (got[0].Proxy != nil) != tt.wantProxy {
			t.Errorf("%s: dialled %+v, want %s, proxy %v", tt.target, got, tt.wantAddr, tt.wantProxy)
		}
	}
}
