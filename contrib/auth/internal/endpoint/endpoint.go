// Package endpoint holds what requests to an issuer's servers have in common: they carry secrets,
// or decide which tokens are accepted, and so need https.
package endpoint

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// Timeout bounds a request, so that a server that does not answer is an error with its name.
const Timeout = 10 * time.Second

// maxRedirects bounds the redirects that are followed.
const maxRedirects = 5

// Check accepts URLs of https, and of http on this machine or if allowHTTP is set.
func Check(text string, allowHTTP bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("the URL is malformed") // the parser's error repeats it, and a password in it
	case u.User != nil:
		return errors.New("the URL has a user name in it")
	case u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%q is not a URL of https", text)
	case u.Scheme == "http" && !allowHTTP && !loopback(u.Hostname()):
		return fmt.Errorf("%s is not https: whoever is on the way can read and change what is sent (AllowHTTP)", u.Host)
	}
	return nil
}

func loopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// Client returns a client with Timeout that follows no redirect that Check does not accept.
func Client(allowHTTP bool) *http.Client {
	return &http.Client{
		Timeout: Timeout,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return Check(r.URL.String(), allowHTTP)
		},
	}
}
