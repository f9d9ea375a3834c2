package client

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/internal/transport"
	"github.com/naru-rpc/naru/status"
)

// addCredentials asks the call's credentials for what they send on conn.
func (c *call) addCredentials(conn *transport.ConnInfo) error {
	service, _, _ := strings.Cut(strings.TrimPrefix(c.method.FullMethod, "/"), "/")
	uri := "https://" + strings.TrimSuffix(c.head.Authority, ":443") + "/" + service
	for _, cred := range c.set.Credentials {
		if cred.RequireTransportSecurity() && !private(conn) {
			return status.Errorf(codes.Unauthenticated, "credentials %T are not sent to %s without TLS (credentials.AllowPlaintext)", cred, peerName(conn))
		}
		if err := c.addCredential(cred, uri); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) addCredential(cred credentials.PerRPC, uri string) error {
	pairs, err := cred.GetRequestMetadata(c.ctx, uri)
	if err != nil {
		return credentialError(err)
	}
	for key, value := range pairs {
		if err := c.addPair(strings.ToLower(key), value); err != nil {
			return status.New(codes.Internal, "credentials: "+err.Error()).WithCause(err).Err()
		}
		// Never kept in a compression table: RFC 7541 §7.1.3.
		c.head.Fields[len(c.head.Fields)-1].Sensitive = true
	}
	return nil
}

// credentialError keeps a status that credentials chose on purpose.
func credentialError(err error) error {
	var own status.Carrier
	if errors.As(err, &own) {
		return err
	}
	return status.New(codes.Unauthenticated, "credentials: "+err.Error()).WithCause(err).Err()
}

// checkAuthority holds the authority of a call's own against the server's certificate, since the
// connection was verified for the client's. It fails with UNAVAILABLE as grpc-go's CallAuthority
// does.
func (c *call) checkAuthority(conn *transport.ConnInfo) error {
	if c.set.Authority == "" || c.set.Authority == c.env.Authority {
		return nil
	}
	host := c.set.Authority
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if len(conn.TLS.PeerCertificates) == 0 {
		return status.Errorf(codes.Unavailable, "authority %q of the call (WithAuthority): %s has shown no certificate", c.set.Authority, peerName(conn))
	}
	if err := conn.TLS.PeerCertificates[0].VerifyHostname(host); err != nil {
		text := fmt.Sprintf("authority %q of the call (WithAuthority) is not in the certificate of %s: %v", c.set.Authority, peerName(conn), err)
		return status.New(codes.Unavailable, text).WithCause(err).Err()
	}
	return nil
}

// private reports whether no one can listen on the connection.
func private(conn *transport.ConnInfo) bool {
	return conn.TLS != nil || conn.Remote != nil && conn.Remote.Network() == "inproc"
}
