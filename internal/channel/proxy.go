package channel

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/brief"
)

// ProxyFunc tells which proxy leads to "host:port"; nil: none.
type ProxyFunc func(hostport string) (*url.URL, error)

// EnvironmentProxy is the ProxyFunc of HTTPS_PROXY and NO_PROXY, in either case (gRFC A1). Like
// net/http it reads them once, and uses no proxy for localhost.
func EnvironmentProxy(hostport string) (*url.URL, error) {
	return http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: hostport}})
}

// dialThrough opens a connection to addr, through a proxy if there is one.
func (d *Dialer) dialThrough(ctx context.Context, network, addr string, proxy *url.URL) (net.Conn, error) {
	if proxy == nil {
		return d.netDial(ctx, network, addr)
	}
	nc, err := d.dialProxy(ctx, proxy)
	if err != nil {
		return nil, proxyFailure(addr, proxy, "the proxy cannot be connected to", err)
	}
	tunnel, err := connectThrough(ctx, nc, proxy, addr)
	if err != nil {
		nc.Close()
		return nil, proxyFailure(addr, proxy, "the proxy did not open a tunnel", err)
	}
	return tunnel, nil
}

func proxyFailure(addr string, proxy *url.URL, text string, err error) *connectivity.Failure {
	if proxy != nil {
		text = fmt.Sprintf("%s (%s)", text, proxy.Redacted())
	}
	return &connectivity.Failure{Reason: connectivity.Proxy, Address: addr, Time: time.Now(), Text: text, Err: err}
}

// dialProxy connects to the proxy itself, with TLS if its URL says https.
func (d *Dialer) dialProxy(ctx context.Context, proxy *url.URL) (net.Conn, error) {
	port := proxy.Port()
	switch {
	case proxy.Scheme != "http" && proxy.Scheme != "https":
		return nil, fmt.Errorf("its scheme %q is not supported; http and https are", proxy.Scheme)
	case port == "":
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	nc, err := d.netDial(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
	if err != nil || proxy.Scheme == "http" {
		return nc, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if d.ProxyTLS != nil {
		cfg = d.ProxyTLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = proxy.Hostname()
	}
	tc := tls.Client(nc, cfg)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		if _, text := certificateFault(cfg.ServerName, err); text != "" {
			err = fmt.Errorf("%s: %w", text, err)
		}
		return nil, err
	}
	return tc, nil
}

// maxConnectResponse bounds what a proxy may answer before the tunnel begins.
const maxConnectResponse = 64 << 10

// connectThrough asks the proxy for a tunnel: RFC 9110 §9.3.6.
func connectThrough(ctx context.Context, nc net.Conn, proxy *url.URL, addr string) (net.Conn, error) {
	// The context ends reads and writes by the deadline; the tunnel has none.
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	req := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Host: addr}, Host: addr,
		Header: http.Header{"User-Agent": {"naru"}},
	}
	if u := proxy.User; u != nil {
		password, _ := u.Password()
		pair := base64.StdEncoding.EncodeToString([]byte(u.Username() + ":" + password))
		req.Header.Set("Proxy-Authorization", "Basic "+pair)
	}
	if err := req.Write(nc); err != nil {
		return nil, contextFirst(ctx, err)
	}
	limited := &io.LimitedReader{R: nc, N: maxConnectResponse}
	r := bufio.NewReader(limited)
	res, err := http.ReadResponse(r, req)
	if err != nil {
		return nil, contextFirst(ctx, err)
	}
	// "Any 2xx (Successful) response indicates that the sender ... will switch to tunnel mode".
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("it answered %s", brief.Text(res.Status, brief.Most))
	}
	if !stop() {
		return nil, ctx.Err()
	}
	if n := r.Buffered(); n > 0 {
		early, _ := r.Peek(n) // it is there
		return &prefixedConn{Conn: nc, prefix: early}, nil
	}
	return nc, nil
}

func contextFirst(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it closed the connection")
	}
	return err
}

// prefixedConn is a connection of which something has been read already.
type prefixedConn struct {
	net.Conn
	prefix []byte // owned by the reader
}

func (c *prefixedConn) Read(p []byte) (int, error) {
	if len(c.prefix) > 0 {
		n := copy(p, c.prefix)
		c.prefix = c.prefix[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
