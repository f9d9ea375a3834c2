package resolver

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// defaultPort: naming.md of gRPC, "If port is omitted, 443 is used".
const defaultPort = "443"

// SplitHostPort splits the endpoint of a target as gRPC's naming has it: "host", "host:port",
// "[v6]:port", "v6" or ":port". The port is 443 and the host localhost where they are missing.
func SplitHostPort(endpoint string) (host, port string, err error) {
	return splitHostPort(endpoint, defaultPort)
}

// splitHostPort splits "host", "host:port", "[v6]:port", "v6" or ":port" and fills in what is
// missing: localhost and def.
func splitHostPort(s, def string) (host, port string, err error) {
	if s == "" {
		return "", "", fmt.Errorf("no host name")
	}
	if _, e := netip.ParseAddr(s); e == nil {
		return s, def, nil // an IPv6 literal without brackets has no room for a port
	}
	if !hasPort(s) {
		host, _, err = net.SplitHostPort(s + ":0")
		return host, def, err
	}
	host, port, err = net.SplitHostPort(s)
	if err != nil {
		return "", "", fmt.Errorf("address %q: %w", s, err)
	}
	if port == "" {
		return "", "", fmt.Errorf("address %q: nothing after the colon; write a port or leave the colon out", s)
	}
	if host == "" {
		host = "localhost"
	}
	return host, port, nil
}

// hasPort: a colon outside brackets. "a:b:c" counts as having one, so that SplitHostPort complains
// of it.
func hasPort(s string) bool {
	return strings.LastIndexByte(s, ':') > strings.LastIndexByte(s, ']')
}
