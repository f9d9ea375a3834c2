package credentials

import (
	"context"
	"encoding/base64"
	"fmt"
)

// PerRPC makes metadata for each call, such as an authorization header. Implementations
// are safe for concurrent use. The methods are those grpc-go's interface of the same purpose
// has, so that existing token sources fit.
type PerRPC interface {
	// GetRequestMetadata returns pairs to send with a call. uri is the service called, in the
	// form a token's audience has: "https://example.com/package.Service"; without it the
	// credentials are asked outside of any call. It may block, as for fetching a token, until
	// ctx ends. An error fails the call before anything of it is sent: with the status the
	// error carries, otherwise with UNAUTHENTICATED. Keys and values are checked as all
	// metadata is.
	GetRequestMetadata(ctx context.Context, uri ...string) (map[string]string, error)

	// RequireTransportSecurity reports whether calls over a connection without TLS must fail
	// rather than carry these credentials. It must always return the same.
	RequireTransportSecurity() bool
}

// Basic returns credentials of a user name and password (RFC 7617), which are not sent
// without TLS. The user name must not contain a colon.
func Basic(user, password string) (PerRPC, error) {
	for i := 0; i < len(user); i++ {
		if user[i] == ':' {
			return nil, fmt.Errorf("credentials: basic: the user name has a colon at offset %d", i)
		}
	}
	return static("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))), nil
}

// Bearer returns credentials of a token (RFC 6750), which are not sent without TLS. The token
// must consist of the characters RFC 6750 §2.1 allows, which those of OAuth 2.0 and JWTs do.
func Bearer(token string) (PerRPC, error) {
	if err := checkToken(token); err != nil {
		return nil, fmt.Errorf("credentials: bearer: %w", err)
	}
	return static("Bearer " + token), nil
}

// BearerFunc returns credentials of a token that source is asked for with every call, which
// are not sent without TLS. source must be safe for concurrent use and keep a token as
// long as it is valid: nothing here does.
func BearerFunc(source func(ctx context.Context) (string, error)) PerRPC {
	return bearerFunc(source)
}

type bearerFunc func(context.Context) (string, error)

func (f bearerFunc) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	token, err := f(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkToken(token); err != nil {
		return nil, fmt.Errorf("credentials: bearer: %w", err)
	}
	return map[string]string{"authorization": "Bearer " + token}, nil
}

func (bearerFunc) RequireTransportSecurity() bool { return true }
func (bearerFunc) String() string                 { return "credentials.BearerFunc" }

// checkToken: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=". The
// error does not repeat the token.
func checkToken(token string) error {
	if token == "" {
		return fmt.Errorf("the token is empty")
	}
	for i := 0; i < len(token); i++ {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '+', c == '/', c == '=' && i > 0:
		default:
			return fmt.Errorf("byte %#02x at offset %d of the token is not allowed (is there a line end in its file?)", c, i)
		}
	}
	return nil
}

// static is the value of an authorization header.
type static string

func (s static) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": string(s)}, nil
}

func (static) RequireTransportSecurity() bool { return true }

// String and GoString keep the secret out of logs.
func (static) String() string   { return "credentials[redacted]" }
func (static) GoString() string { return "credentials[redacted]" }

// AllowPlaintext returns c with the requirement of TLS taken off: whoever can read the
// connection can then use the credentials. For tests, and for connections that something
// else protects, such as a service mesh's proxy on the same machine.
func AllowPlaintext(c PerRPC) PerRPC { return plaintext{c} }

type plaintext struct{ PerRPC }

func (plaintext) RequireTransportSecurity() bool { return false }
