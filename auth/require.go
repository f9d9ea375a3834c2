package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/metadata"
	"github.com/naru-rpc/naru/status"
)

// A Request is what a call shows of its caller.
type Request struct {
	// Scheme is the authorization header's, in lower case, such as "bearer"; "" if the call has no
	// such header.
	Scheme string
	// Credentials is what follows the scheme: a token, or a user name and password in base64. It is
	// a secret.
	Credentials string
	// Peer is the other end of the connection.
	Peer naru.Peer
	// Method is the method called.
	Method *naru.MethodInfo
}

// String keeps the secret out of logs.
func (r Request) String() string { return "auth.Request[" + r.Scheme + " redacted]" }

// GoString is String.
func (r Request) GoString() string { return r.String() }

// A Verifier verifies credentials of one kind. Implementations are safe for concurrent use.
type Verifier interface {
	// Verify returns the caller of a request. ErrNotMine means that the request has no credentials
	// for this verifier, such as a token of another issuer; another one may have a look. Any other
	// error refuses the call: with the status it carries (Refuse, or UNAVAILABLE if it cannot be
	// settled now), otherwise with UNAUTHENTICATED and its text in the server's log alone. ctx ends
	// with the call.
	Verify(ctx context.Context, r Request) (*Caller, error)

	// Challenge is what a refused client is told to send, as WWW-Authenticate has it (RFC 9110
	// §11.6.1): `Basic realm="shop"`; "" for credentials that are no header.
	Challenge() string
}

// ErrNotMine is what a Verifier returns for requests without credentials of its kind.
var ErrNotMine = errors.New("auth: no credentials of this kind")

// Refuse returns an error for a Verifier whose text is sent to the client, with code
// UNAUTHENTICATED: it must not help somebody who guesses.
func Refuse(format string, args ...any) error {
	return status.Errorf(codes.Unauthenticated, format, args...)
}

// Require returns an authenticator that accepts the calls that one of the verifiers accepts, for
// naru.WithAuthenticator. They are asked in order until one does not return ErrNotMine: a
// verifier's refusal is final. Handlers and interceptors find the caller with CallerFrom.
//
// A refused call ends with UNAUTHENTICATED, and its trailer www-authenticate has the challenges of
// all verifiers. A call with several authorization headers is refused in any case. Without
// verifiers every call is.
func Require(verifiers ...Verifier) func(ctx context.Context, call *naru.Call) (context.Context, error) {
	return authenticator(verifiers, false)
}

// Optional is Require, except that calls for which all verifiers return ErrNotMine, and which have
// no authorization header, pass without a caller: for servers where some methods are for everybody,
// and a policy or the handlers decide. Credentials that are shown must be right.
func Optional(verifiers ...Verifier) func(ctx context.Context, call *naru.Call) (context.Context, error) {
	return authenticator(verifiers, true)
}

func authenticator(verifiers []Verifier, optional bool) func(context.Context, *naru.Call) (context.Context, error) {
	challenge := challenges(verifiers)
	return func(ctx context.Context, call *naru.Call) (context.Context, error) {
		r, err := requestOf(ctx, call)
		var caller *Caller
		if err == nil {
			caller, err = verify(ctx, verifiers, r)
		}
		switch {
		case err == nil:
			return NewContext(ctx, caller), nil
		case err == ErrNotMine && optional && r.Scheme == "":
			return ctx, nil
		case err == ErrNotMine:
			err = refusal(r, challenge)
		}
		if s, has := status.FromError(err); challenge != nil && (!has || s.Code() == codes.Unauthenticated) {
			// Without effect where a verifier has set too much already; the status says what is
			// wanted anyway.
			_ = naru.SetTrailer(ctx, metadata.MD{"www-authenticate": challenge})
		}
		return nil, err
	}
}

// verify asks the verifiers in order.
func verify(ctx context.Context, verifiers []Verifier, r Request) (*Caller, error) {
	for _, v := range verifiers {
		caller, err := v.Verify(ctx, r)
		if err == ErrNotMine || errors.Is(err, ErrNotMine) {
			continue
		}
		if err == nil && caller == nil {
			return nil, errors.New("auth: a verifier returned neither a caller nor an error")
		}
		return caller, err
	}
	return nil, ErrNotMine
}

// requestOf reads the credentials of a call.
func requestOf(ctx context.Context, call *naru.Call) (Request, error) {
	r := Request{Peer: call.Peer(), Method: call.Method()}
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	switch {
	case len(values) == 0:
		return r, nil
	case len(values) > 1:
		return r, Refuse("the call has %d authorization headers, want one", len(values))
	}
	scheme, rest, _ := strings.Cut(values[0], " ")
	r.Scheme, r.Credentials = lowerScheme(scheme), strings.TrimLeft(rest, " ")
	if r.Scheme == "" {
		return r, Refuse("the authorization header has no scheme: want, for example, \"Bearer TOKEN\"")
	}
	return r, nil
}

// lowerScheme returns the scheme in lower case (RFC 9110 §11.1: it is case-insensitive), without
// allocating for common ones.
func lowerScheme(s string) string {
	switch s {
	case "Bearer":
		return "bearer"
	case "Basic":
		return "basic"
	}
	return strings.ToLower(s)
}

// refusal says what a call that no verifier knows lacks.
func refusal(r Request, challenge []string) error {
	wanted := make([]string, len(challenge))
	for i, c := range challenge {
		wanted[i], _, _ = strings.Cut(c, " ")
	}
	accepts := "this server accepts client certificates only"
	if len(wanted) > 0 {
		accepts = "this server accepts " + strings.Join(wanted, ", ")
	}
	if r.Scheme == "" {
		return Refuse("the call has no credentials: %s", accepts)
	}
	return Refuse("nothing here verifies these %.20q credentials: %s", r.Scheme, accepts)
}

// challenges returns the verifiers' challenges, each once.
func challenges(verifiers []Verifier) []string {
	var all []string
	seen := make(map[string]bool)
	for _, v := range verifiers {
		if c := v.Challenge(); c != "" && !seen[c] {
			seen[c] = true
			all = append(all, c)
		}
	}
	return all
}
