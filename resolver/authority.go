package resolver

import (
	"net/netip"
	"strings"
)

// authorityOf returns the :authority of calls to an endpoint: the endpoint in the form that RFC
// 3986 §3.2 has, with localhost for a missing host, brackets around an IPv6 address, and escapes
// for what may not stand there.
func authorityOf(endpoint string) string {
	endpoint = withoutZone(endpoint)
	if ip, err := netip.ParseAddr(endpoint); err == nil && ip.Is6() {
		return "[" + endpoint + "]"
	}
	if strings.HasPrefix(endpoint, ":") {
		endpoint = "localhost" + endpoint
	}
	return escapeAuthority(endpoint)
}

// escapeAuthority escapes all bytes but unreserved characters, sub-delims and those that delimit
// the parts of an authority.
func escapeAuthority(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~!$&'()*+,;=:[]@", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// withoutZone drops the zone of an IPv6 address, which means something on this machine alone. RFC
// 6874 §4: "it MUST be removed ... before the URI is sent".
func withoutZone(endpoint string) string {
	host, _, err := splitHostPort(endpoint, "")
	if err != nil {
		return endpoint
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() == "" {
		return endpoint
	}
	return strings.Replace(endpoint, "%"+ip.Zone(), "", 1)
}
