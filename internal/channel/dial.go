package channel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/naru-rpc/naru/connectivity"
	"github.com/naru-rpc/naru/internal/reason"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/resolver"
)

// Dialer makes the connections of a channel: socket, TLS, HTTP/2. Immutable in use, safe for
// concurrent use.
type Dialer struct {
	// NewConn speaks HTTP/2 on a connection and returns when the peer's SETTINGS have come. It owns
	// nc and closes it when it fails. state is nil on plaintext. Required.
	NewConn func(ctx context.Context, nc net.Conn, state *tls.ConnectionState) (transport.ClientConn, error)
	// TLS returns the configuration of TLS for a connection; nil: plaintext. Its ServerName, if
	// set, is what certificates are checked against; else the address's or the channel's authority
	// is.
	TLS func() *tls.Config
	// NetDial opens sockets. nil: a net.Dialer without keep-alive probes of its own, which HTTP/2
	// does better.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Underlay is put between TLS and the socket. nil: nothing.
	Underlay func(net.Conn) net.Conn
	// ProxyTLS is the configuration of TLS to proxies whose URL says https. nil: the system's
	// authorities.
	ProxyTLS *tls.Config
	// UserTimeout is how long sent data may stay unacknowledged (TCP_USER_TIMEOUT, gRFC A18). 0:
	// the system's.
	UserTimeout time.Duration
}

// Dial is a DialFunc. Its errors are *connectivity.Failure; no socket is left open by one.
func (d *Dialer) Dial(ctx context.Context, to Destination) (transport.ClientConn, error) {
	addr := to.Address
	network := addr.Network
	if network == "" {
		network = "tcp"
	}
	nc, err := d.dialThrough(ctx, network, addr.Addr, to.Proxy)
	if err != nil {
		return nil, dialFailure(addr, err)
	}
	var state *tls.ConnectionState
	if d.TLS != nil {
		to.reached(StageTLS)
		if nc, state, err = d.handshake(ctx, nc, addr); err != nil {
			return nil, err
		}
	}
	to.reached(StageHTTP2)
	t, err := d.NewConn(ctx, nc, state)
	if err != nil {
		return nil, prefaceFailure(addr, err, state != nil)
	}
	return t, nil
}

func (d *Dialer) netDial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.NetDial != nil {
		return d.NetDial(ctx, network, addr)
	}
	nc, err := (&net.Dialer{KeepAlive: -1}).DialContext(ctx, network, addr)
	if err == nil {
		setUserTimeout(nc, d.UserTimeout)
	}
	return nc, err
}

func dialFailure(addr resolver.Address, err error) *connectivity.Failure {
	var f *connectivity.Failure
	if errors.As(err, &f) {
		return f
	}
	reason := dialReason(err)
	var dns *net.DNSError
	var ne net.Error
	switch {
	case errors.As(err, &dns):
		reason = connectivity.NameResolution // a name that was passed through to the dialer
	case reason == connectivity.Other && errors.As(err, &ne) && ne.Timeout():
		reason = connectivity.ConnectTimeout
	}
	// net.OpError repeats the address; its cause is what is new.
	var op *net.OpError
	if errors.As(err, &op) && dns == nil {
		err = op.Err
	}
	return &connectivity.Failure{
		Reason: reason, Address: addr.String(), Time: time.Now(), Text: "connecting failed", Err: err,
	}
}

// prefaceFailure explains why HTTP/2 did not begin.
func prefaceFailure(addr resolver.Address, err error, secure bool) *connectivity.Failure {
	f := &connectivity.Failure{
		Reason: connectivity.Preface, Address: addr.String(), Time: time.Now(),
		Text: "the peer did not begin to speak HTTP/2", Err: err,
	}
	var te *transport.Error
	if errors.As(err, &te) {
		f.Code, f.Token = te.Code, string(te.Token)
		switch te.Token {
		case reason.GoAway:
			f.Reason, f.Text = connectivity.GoAway, "the peer ended the connection at once"
		case reason.HTTP1:
			f.Text, f.Err = "the peer speaks HTTP/1, not HTTP/2: "+te.Reason, te.Cause
			return f
		case reason.TLSAlert:
			f.Text, f.Err = "the peer speaks TLS, and this client plaintext (WithPlaintext): "+te.Reason, te.Cause
			return f
		}
	}
	// TLS 1.3: the server judges the client's certificate after the client's handshake is over, so
	// that its verdict comes with the first read.
	if reason, text := alertReason(err); secure && reason != "" {
		f.Reason, f.Text = reason, text
	}
	if !secure && f.Reason == connectivity.Preface {
		f.Text += " in plaintext (does it expect TLS?)"
	}
	return f
}

// withTimeout adds to a failed attempt's error that its time was up.
func withTimeout(addr resolver.Address, timeout time.Duration, err error) *connectivity.Failure {
	text := fmt.Sprintf("no connection within the connect timeout of %v (WithConnectTimeout)", timeout.Round(time.Millisecond))
	var f *connectivity.Failure
	if !errors.As(err, &f) {
		return &connectivity.Failure{
			Reason: connectivity.ConnectTimeout, Address: addr.String(), Time: time.Now(), Text: text, Err: err,
		}
	}
	g := *f
	g.Text = text + ": " + f.Text
	if g.Reason == connectivity.Other {
		g.Reason = connectivity.ConnectTimeout
	}
	return &g
}
