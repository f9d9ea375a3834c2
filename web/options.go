package web

import (
	"fmt"
	"net/url"
	"strings"
)

// Options say who may call from a browser. The zero value allows pages of the server's own origin
// only: requests from others are answered with status 403, and so are their preflights. So are GETs
// without an origin that the browser says a page of another site has caused, with an image or a
// link (Sec-Fetch-Site, which browsers send to servers with TLS and to localhost).
type Options struct {
	// AllowedOrigins are the other origins whose pages may call: "https://shop.example", with the
	// port if it is not the scheme's. "*" stands for every origin, and excludes AllowCredentials.
	AllowedOrigins []string
	// AllowedHeaders are request headers that pages of these origins may send, beside those of the
	// protocols: "authorization".
	AllowedHeaders []string
	// AllowCredentials lets those pages send cookies and client certificates.
	AllowCredentials bool
	// RequireProtocolVersion refuses Connect requests without connect-protocol-version (for GET:
	// connect=v1), which a page's form or an ordinary HTTP client does not send.
	RequireProtocolVersion bool
}

// Check returns what is wrong with the options.
func (o *Options) Check() error {
	for _, origin := range o.AllowedOrigins {
		if origin == "*" {
			if o.AllowCredentials {
				return fmt.Errorf(`AllowedOrigins "*" together with AllowCredentials: name the origins`)
			}
			continue
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf(`AllowedOrigins: %q is no origin (want "https://host" or "https://host:port")`, origin)
		}
	}
	for _, name := range o.AllowedHeaders {
		if name == "" || strings.ContainsAny(name, " ,\r\n") {
			return fmt.Errorf("AllowedHeaders: %q is no header name", name)
		}
	}
	return nil
}
