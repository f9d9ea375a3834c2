package grpcgo

import (
	"crypto/tls"
	"net/url"

	"github.com/naru-rpc/naru"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// peerOf translates a peer. One over TLS has a credentials.TLSInfo as AuthInfo, one over plaintext
// what grpc-go's insecure credentials give.
func peerOf(p naru.Peer) *peer.Peer {
	return &peer.Peer{Addr: p.Addr, LocalAddr: p.LocalAddr, AuthInfo: authInfoOf(p.TLS)}
}

func authInfoOf(state *tls.ConnectionState) credentials.AuthInfo {
	if state == nil {
		return insecureInfo
	}
	return credentials.TLSInfo{
		State:          *state,
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		SPIFFEID:       spiffeID(state),
	}
}

// insecureInfo is what grpc-go's insecure credentials make of any connection; its type is private
// there.
var insecureInfo = func() credentials.AuthInfo {
	_, info, err := insecure.NewCredentials().ServerHandshake(nil)
	if err != nil {
		return nil
	}
	return info
}()

// spiffeID is the SPIFFE ID in the peer's certificate, nil if there is not exactly one URI that is
// one.
func spiffeID(state *tls.ConnectionState) *url.URL {
	if len(state.PeerCertificates) == 0 || state.PeerCertificates[0] == nil {
		return nil
	}
	uris := state.PeerCertificates[0].URIs
	if len(uris) != 1 || uris[0] == nil {
		return nil
	}
	id := uris[0]
	if id.Scheme != "spiffe" || id.Host == "" || id.Path == "" || id.Opaque != "" || id.User != nil || len(id.String()) > 2048 || len(id.Host) > 255 {
		return nil
	}
	return id
}
