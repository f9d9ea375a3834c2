package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/contrib/auth/internal/endpoint"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/status"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// ClientCredentials returns credentials of a client that acts for itself (RFC 6749 §4.4).
func ClientCredentials(config clientcredentials.Config, opts ...Option) *credentials.Tokens {
	return tokens(config.TokenURL, opts, func(ctx context.Context) (*oauth2.Token, error) { return config.Token(ctx) })
}

// RefreshToken returns credentials of a user who gave a refresh token (RFC 6749 §6), such as a
// login of the device flow. A refresh token that the server replaces is used from then on, and
// passed to save, if it is not nil: a program that is to go on after a restart must keep it. save
// is called on the goroutine that fetches and must not block.
func RefreshToken(config oauth2.Config, refreshToken string, save func(refreshToken string), opts ...Option) *credentials.Tokens {
	current := refreshToken
	return tokens(config.Endpoint.TokenURL, opts, func(ctx context.Context) (*oauth2.Token, error) {
		// Requests are made one after another, so that current needs no lock.
		t, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: current}).Token()
		if err == nil && t.RefreshToken != "" && t.RefreshToken != current {
			current = t.RefreshToken
			if save != nil {
				save(current)
			}
		}
		return t, err
	})
}

// ExchangeConfig configures Exchange.
type ExchangeConfig struct {
	// TokenURL is the token endpoint. ClientID and ClientSecret are this client's, if the endpoint
	// wants them.
	TokenURL               string
	ClientID, ClientSecret string
	// Subject returns the token to exchange, such as a service account's. It is asked with each
	// request.
	Subject func(ctx context.Context) (token string, err error)
	// SubjectType is what Subject returns; "" means a JWT, urn:ietf:params:oauth:token-type:jwt.
	SubjectType string
	// Audience, Resource and Scopes say what the new token is for; each may be empty.
	Audience, Resource string
	Scopes             []string
	// RequestedType is what is asked for; "" leaves it to the server.
	RequestedType string
}

// Exchange returns credentials of tokens that an authorization server gives for others (RFC 8693).
func Exchange(config ExchangeConfig, opts ...Option) *credentials.Tokens {
	// One for all requests, which are made one after another: it remembers how the endpoint wants
	// the client's credentials.
	c := clientcredentials.Config{
		ClientID: config.ClientID, ClientSecret: config.ClientSecret, TokenURL: config.TokenURL, Scopes: config.Scopes,
	}
	return tokens(config.TokenURL, opts, func(ctx context.Context) (*oauth2.Token, error) {
		if config.Subject == nil {
			return nil, errors.New("ExchangeConfig.Subject is nil")
		}
		subject, err := config.Subject(ctx)
		if err != nil {
			return nil, fmt.Errorf("the token to exchange: %w", err)
		}
		params := url.Values{
			"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token":      {subject},
			"subject_token_type": {orDefault(config.SubjectType, "urn:ietf:params:oauth:token-type:jwt")},
		}
		for name, value := range map[string]string{
			"audience": config.Audience, "resource": config.Resource, "requested_token_type": config.RequestedType,
		} {
			if value != "" {
				params.Set(name, value)
			}
		}
		c.EndpointParams = params
		return c.Token(ctx)
	})
}

func orDefault(s, value string) string {
	if s == "" {
		return value
	}
	return s
}

// An Option changes how tokens are fetched.
type Option func(*options)

type options struct {
	client    *http.Client
	allowHTTP bool
}

// WithHTTPClient makes requests with client. nil, and the default, is a client with a timeout of 10
// s.
func WithHTTPClient(client *http.Client) Option { return func(o *options) { o.client = client } }

// AllowHTTP accepts a token endpoint over plain HTTP on another machine: whoever is on the way can
// read the client's secret and the tokens. Without it such an endpoint is not asked, and calls
// fail.
func AllowHTTP() Option { return func(o *options) { o.allowHTTP = true } }

func tokens(tokenURL string, opts []Option, source func(context.Context) (*oauth2.Token, error)) *credentials.Tokens {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	if o.client == nil {
		o.client = endpoint.Client(o.allowHTTP)
	}
	wrong := endpoint.Check(withoutUser(tokenURL), o.allowHTTP)
	return credentials.NewTokens(redactedURL(tokenURL), func(ctx context.Context) (credentials.Token, error) {
		if wrong != nil {
			return credentials.Token{}, wrong
		}
		t, err := source(context.WithValue(ctx, oauth2.HTTPClient, o.client))
		if err != nil {
			return credentials.Token{}, tokenError(err)
		}
		return credentials.Token{Value: t.AccessToken, Type: t.Type(), Expiry: t.Expiry}, nil
	})
}

// tokenError gives an error of a token endpoint a code: one that refuses is UNAUTHENTICATED, one
// that is not there UNAVAILABLE. The body of a response is left out of the text, since it may
// repeat what was sent.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) {
		text := "the token endpoint answered"
		code := codes.Unauthenticated
		if refused.Response != nil {
			text += " " + refused.Response.Status
			if refused.Response.StatusCode >= 500 || refused.Response.StatusCode == http.StatusTooManyRequests {
				code = codes.Unavailable
			}
		}
		if refused.ErrorCode != "" {
			text += fmt.Sprintf(", %.60q", refused.ErrorCode)
			if refused.ErrorDescription != "" {
				text += fmt.Sprintf(": %.200q", refused.ErrorDescription)
			}
		}
		return status.Error(code, text)
	}
	var network *url.Error
	if errors.As(err, &network) {
		return status.New(codes.Unavailable, "the token endpoint cannot be asked: "+network.Err.Error()).WithCause(err).Err()
	}
	return err
}

// withoutUser takes user name and password out of a URL: of a token endpoint they are HTTP's own
// credentials.
func withoutUser(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	u.User = nil
	return u.String()
}

// redactedURL takes user name, password and query out of a URL that goes into error texts.
func redactedURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the token endpoint"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
