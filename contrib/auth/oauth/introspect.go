package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/naru-rpc/naru/auth"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/auth/internal/endpoint"
	"github.com/naru-rpc/naru/status"
)

// IntrospectionConfig configures Introspection. URL is required.
type IntrospectionConfig struct {
	// URL is the introspection endpoint.
	URL string
	// ClientID and ClientSecret are this server's credentials there, sent with HTTP's basic scheme.
	ClientID, ClientSecret string
	// Issuer, if set, must be the answer's "iss".
	Issuer string
	// Audiences, if set, holds what the answer's "aud" must have one of. Without it a token for
	// another service is accepted.
	Audiences []string
	// Client makes the requests; nil means one with a timeout of 10 s.
	Client *http.Client
	// AllowHTTP accepts a URL of plain HTTP on another machine: whoever is on the way can read the
	// tokens, and accept any.
	AllowHTTP bool
	// Cache says how long an accepted token is known; the zero value means a minute, see
	// auth.CacheConfig. That long a token that is revoked is still accepted.
	Cache auth.CacheConfig
	// MaxRequests bounds the requests that run at the same time, further calls wait; zero means
	// 100.
	MaxRequests int
}

const (
	maxIntrospection = 256 << 10
	defaultRequests  = 100
)

// Introspection returns a verifier of bearer tokens that asks an authorization server about them
// (RFC 7662). Accepted tokens are cached (auth.Cached). A token that is not active is refused with
// UNAUTHENTICATED; if the server cannot be asked, calls fail with UNAVAILABLE.
func Introspection(config IntrospectionConfig) (auth.Verifier, error) {
	if err := endpoint.Check(config.URL, config.AllowHTTP); err != nil {
		return nil, fmt.Errorf("oauth: introspection: %w", err)
	}
	if config.Client == nil {
		config.Client = endpoint.Client(config.AllowHTTP)
	}
	if config.MaxRequests <= 0 {
		config.MaxRequests = defaultRequests
	}
	i := &introspection{IntrospectionConfig: config, slots: make(chan struct{}, config.MaxRequests)}
	return auth.Cached(auth.Bearer(i.check), config.Cache), nil
}

type introspection struct {
	IntrospectionConfig
	slots chan struct{} // capacity MaxRequests; holds one value per request that runs, never closed
}

// answer is an introspection response (RFC 7662 §2.2).
type answer struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope"`
	ClientID string `json:"client_id"`
	Username string `json:"username"`
	Subject  string `json:"sub"`
	Issuer   string `json:"iss"`
	Audience texts  `json:"aud"`
	Groups   texts  `json:"groups"`
	Expiry   int64  `json:"exp"`
	NotYet   int64  `json:"nbf"`
}

// texts is a string or an array of strings.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*t = texts{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(t))
}

func (i *introspection) check(ctx context.Context, token string) (*auth.Caller, error) {
	select {
	case i.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-i.slots }()
	text, err := i.ask(ctx, token)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, status.New(codes.Unavailable, "the token cannot be verified now").WithCause(err).Err()
	}
	var a answer
	var claims map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	if err := errors.Join(json.Unmarshal(text, &a), d.Decode(&claims)); err != nil {
		return nil, status.New(codes.Unavailable, "the token cannot be verified now").
			WithCause(fmt.Errorf("introspection at %s: %w", redactedURL(i.URL), err)).Err()
	}
	return i.judge(&a, claims, time.Now())
}

// judge makes the caller of an answer, or says why the token is refused.
func (i *introspection) judge(a *answer, claims map[string]any, now time.Time) (*auth.Caller, error) {
	switch {
	case !a.Active:
		return nil, auth.Refuse("the token is refused: it is unknown, has expired or was revoked")
	case i.Issuer != "" && a.Issuer != i.Issuer:
		return nil, auth.Refuse("the token is refused: its issuer is %.100q", a.Issuer)
	case len(i.Audiences) > 0 && !slices.ContainsFunc(a.Audience, func(s string) bool { return slices.Contains(i.Audiences, s) }):
		return nil, auth.Refuse("the token is refused: it is for %.100q, not for this service", a.Audience)
	case a.Expiry != 0 && now.Unix() >= a.Expiry:
		return nil, auth.Refuse("the token is refused: it has expired")
	case a.NotYet != 0 && now.Unix() < a.NotYet:
		return nil, auth.Refuse("the token is refused: it is not valid yet")
	}
	subject := orDefault(orDefault(a.Subject, a.Username), a.ClientID)
	if subject == "" {
		return nil, auth.Refuse("the token is refused: it has no subject")
	}
	c := &auth.Caller{
		Scheme: "introspection", Subject: subject, Issuer: a.Issuer, Names: []string{subject},
		Scopes: strings.Fields(a.Scope), Groups: a.Groups, Claims: claims,
	}
	if a.Expiry != 0 {
		c.Expiry = time.Unix(a.Expiry, 0)
	}
	return c, nil
}

func (i *introspection) ask(ctx context.Context, token string) ([]byte, error) {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.URL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if i.ClientID != "" {
		// RFC 6749 §2.3.1: both are form-encoded first.
		r.SetBasicAuth(url.QueryEscape(i.ClientID), url.QueryEscape(i.ClientSecret))
	}
	res, err := i.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxIntrospection+1))
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("introspection at %s: %s", redactedURL(i.URL), res.Status)
	case len(text) > maxIntrospection:
		return nil, fmt.Errorf("introspection at %s: the answer is longer than %d bytes", redactedURL(i.URL), maxIntrospection)
	}
	return text, nil
}
