package middleware

import (
	"context"

	"github.com/naru-rpc/naru"
	"github.com/naru-rpc/naru/codes"
	"github.com/naru-rpc/naru/credentials"
	"github.com/naru-rpc/naru/stats"
	"github.com/naru-rpc/naru/status"
)

// RetryUnauthenticated returns a client's interceptor that repeats a unary call once if the server
// refused its token with UNAUTHENTICATED, with a token that creds has fetched anew: as after a
// revocation or a change of keys, where the token's own expiry says nothing. The call is not
// repeated if there is no other token, and streams never are. An authenticator refuses a call
// before its handler runs; a handler that returns UNAUTHENTICATED after it has changed something is
// run again.
//
// creds must be among the call's credentials (naru.WithCredentials). On a server the interceptor
// does nothing.
func RetryUnauthenticated(creds credentials.Refresher) naru.Interceptor {
	return func(ctx context.Context, call *naru.Call, next func(context.Context) error) error {
		if call.Side() != stats.Client || call.Kind() != naru.KindUnary {
			return next(ctx)
		}
		sent, err := creds.GetRequestMetadata(ctx)
		if err != nil {
			return next(ctx) // which fails with the same, as an error of the call
		}
		err = next(ctx)
		if status.Code(err) != codes.Unauthenticated || ctx.Err() != nil || !creds.Refresh(sent["authorization"]) {
			return err
		}
		return next(ctx)
	}
}
