// Package oauth fetches OAuth 2.0 tokens for calls, and asks an authorization server about those
// that callers show.
//
//	tokens := oauth.ClientCredentials(clientcredentials.Config{
//		ClientID: "shop", ClientSecret: secret, TokenURL: "https://issuer.example/token", Scopes: []string{"orders"},
//	})
//	conn, err := naru.NewClient(target,
//		naru.WithCredentials(tokens),
//		naru.WithInterceptors(middleware.RetryUnauthenticated(tokens)),
//	)
//
// The requests are golang.org/x/oauth2's; keeping tokens, replacing them ahead of their expiry and
// sharing one request among all calls is credentials.Tokens'.
package oauth
